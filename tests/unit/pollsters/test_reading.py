"""Definition files of pollsters: what is right, and where exactly they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pollers.pollsters.loading import STOCK, load_pollsters, read_pollsters

GOOD = """\
- name: a.meter
  sample_type: gauge
  unit: B
  endpoint_type: image
  url_path: v2/images
  value_attribute: size
"""
LINE = 7  # where a line added to GOOD stands


def load(folder: Path, text: str) -> tuple[dict[str, object], list[str]]:
    file = folder / "pollsters.yaml"
    file.write_text(text)
    found, faults = load_pollsters([file], stock=False)
    return dict(found), [str(fault).removeprefix(f"{file}:") for fault in faults]


def test_the_least_that_a_definition_has(tmp_path: Path) -> None:
    found, faults = load(tmp_path, GOOD)
    assert (list(found), faults) == (["a.meter"], [])


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("colour: red", "there is no key 'colour' of a pollster"),
        ("timeout: soon", "timeout must be a number"),
        ("timeout: 0", "timeout must be above 0 and at most 3600 seconds"),
        ("timeout: true", "timeout must be a number"),
        ("namespaces: compue", "there is no namespace 'compue'"),
        ("discovery: tenants", "there is no discovery 'tenants'"),
        ("method: POST", "method must be GET or HEAD"),
        ("response_handlers: [yaml]", "'yaml' is none of json, xml, text, headers, blocks"),
        ("module: requests.auth", "module and authentication_object belong together"),
        ("value: size", "value and value_attribute are the same; one must go"),
        ("metadata_fields: ['a | os.system(value)']", "metadata_fields: 'os.system(value)', col"),
        ("metadata_fields: ['a | 1']", "metadata_fields: '1' does not use value"),
        ("metadata_fields: [5]", "metadata_fields: 5 is no path"),
        ("metadata_mapping: [a]", "metadata_mapping must be a mapping"),
        ("next_sample_url_attribute: 'a | value.__class__'", "next_sample_url_attribute: "),
        ("user_id_attribute: 'a..b'", "user_id_attribute: 'a..b' is no path: a key is empty"),
        ("response_entries_key: '. | exec(value)'", "response_entries_key: "),
        ("headers: [a]", "headers must be a mapping"),
        ("extra_metadata_fields_skip: [a]", "each rule must be a mapping"),
        ("preserve_mapped_metadata: 1", "preserve_mapped_metadata must be true or false"),
        ("extra_metadata_fields: {name: x}", "url_path is missing"),
        ("extra_metadata_fields:\n  - {name: x, endpoint_type: y, url_path: z, colour: red}",
         "there is no key 'colour' of a pollster"),
    ],
)  # fmt: skip
def test_a_fault_has_its_line(tmp_path: Path, added: str, said: str) -> None:
    found, faults = load(tmp_path, f"{GOOD}  {added}\n{GOOD.replace('a.meter', 'b.meter')}")
    assert list(found) == ["b.meter"], "the other definitions count"
    (fault,) = faults
    line = LINE + added.count("\n")
    assert fault.startswith(f"{line}: {said}"), fault


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("name: a.meter", "name: a meter", 1, "'a meter' does not match"),
        ("name: a.meter", "unnamed: a", 1, "there is no key 'unnamed'"),
        ("gauge", "counter", 2, "'counter' is none of gauge, cumulative, delta"),
        ("  sample_type: gauge\n", "", 1, "sample_type is missing"),
        ("  unit: B\n", "", 1, "unit is missing"),
        ("  value_attribute: size\n", "", 1, "value_attribute is missing"),
        ("  url_path: v2/images\n", "", 1, "url_path is missing"),
        ("  endpoint_type: image\n", "", 4, "endpoint_type is missing: without it url_path"),
        ("a.meter", "a.{part}", 6, "a.{part} needs a value_attribute like [list].path"),
        ("v2/images", "\"'v2/' + imports('os')\"", 5, "url_path: \"'v2/' + imports('os')\""),
    ],
)
def test_what_lacks_or_is_wrong_is_named(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    found, faults = load(tmp_path, GOOD.replace(old, new))
    assert not found
    assert faults[0].startswith(f"{line}: {said}"), faults


@pytest.mark.parametrize(
    "path", ["v2.1/servers/detail?all_tenants=true", "images", "os-services", "list", "sum/min"]
)
def test_a_path_that_is_no_expression_is_literal(tmp_path: Path, path: str) -> None:
    file = tmp_path / "pollsters.yaml"
    file.write_text(GOOD.replace("v2/images", path))
    (pollster,), _ = read_pollsters(file)
    assert pollster.request.path.render({}) == path


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    for text in ("", "a: b", "- 5"):
        found, faults = load(tmp_path, text)
        assert not found
        assert faults


def test_the_first_of_a_name_counts_and_the_other_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GOOD.replace("B", "GB"))
    (tmp_path / "a.yaml").write_text(GOOD)
    found, (fault,) = load_pollsters([tmp_path], stock=False)
    assert found["a.meter"].unit == "B"
    assert str(fault) == (
        f"{tmp_path}/b.yaml:1: a.meter stands in {tmp_path}/a.yaml:1 already, which counts"
    )


def test_an_operators_file_replaces_a_stock_pollster_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD.replace("a.meter", "image.size"))
    found, faults = load_pollsters([tmp_path])
    assert found["image.size"].place == f"{tmp_path}/own.yaml:1"
    assert not faults


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    _, (fault,) = load_pollsters([tmp_path / "none"])
    assert "there is no such file or directory" in fault.text


def test_the_stock_files_are_right_and_name_each_meter_once() -> None:
    found, faults = load_pollsters([STOCK], stock=False)
    assert not faults
    assert {
        "image.size", "ip.floating", "network.services.vpn", "network.services.vpn.connections",
        "network.services.firewall", "network.services.firewall.policy", "loadbalancer.operating",
        "loadbalancer.provisioning", "dns.zone.status", "dns.zone.recordsets", "dns.zone.ttl",
        "dns.zone.serial", "volume.size", "volume.snapshot.size", "volume.backup.size",
        "volume.provider.pool.capacity.total", "volume.provider.pool.capacity.free",
        "volume.provider.pool.capacity.allocated", "volume.provider.pool.capacity.provisioned",
        "volume.provider.pool.capacity.virtual_free", "volume.service.health",
        "manila.share.size", "manila.share.status", "storage.objects", "storage.objects.size",
        "storage.objects.containers", "storage.containers.objects",
        "storage.containers.objects.size", "alarm.evaluation_result",
        "radosgw.objects", "radosgw.objects.size", "radosgw.objects.containers",
        "radosgw.containers.objects", "radosgw.containers.objects.size", "radosgw.api.request",
        *(f"hardware.ipmi.node.{what}" for what in (
            "power", "temperature", "inlet_temperature", "outlet_temperature", "airflow", "cups",
            "cpu_util", "mem_util", "io_util",
        )), "hardware.ipmi.temperature", "hardware.ipmi.current", "hardware.ipmi.fan",
        "hardware.ipmi.voltage", "hardware.ipmi.power",
    } == set(found)  # fmt: skip


def test_a_file_that_anybody_may_write_to_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "pollsters.yaml"
    file.write_text(GOOD)
    file.chmod(0o666)
    found, faults = load_pollsters([file], stock=False)
    assert not found
    assert [fault.text for fault in faults] == ["anybody may write to this file: chmod o-w"]


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("response_handlers: [[json]]", "['json'] is none of json"),
        ("response_handlers: [{json: 1}]", "{'json': 1} is none of json"),
        ("namespaces: [[central]]", "there is no namespace ['central']"),
        (f"timeout: 1{'0' * 400}", "timeout must be above 0"),
        ("timeout: .nan", "timeout must be above 0"),
        ("timeout: .inf", "timeout must be above 0"),
        ("timeout: null", "timeout must be a number"),
        (f"extra_metadata_fields_cache_seconds: 1{'0' * 400}",
         "extra_metadata_fields_cache_seconds must be 0 and at most 2592000"),
        ("extra_metadata_fields_cache_seconds: -1", "extra_metadata_fields_cache_seconds must be"),
        ("discovery: volumes", "there is no discovery 'volumes'"),
        ("base_metadata: {1: 2}\n  metadata_fields: ['a | nothing']", "metadata_fields: 'nothing'"),
        ("extra_metadata_fields: [[x]]", "['x'] is no pollster"),
        ("extra_metadata_fields: [null]", "None is no pollster"),
        ("headers: [{a: b}, 5]", "headers must be a mapping"),
        ("skip_sample_values: ACTIVE", "skip_sample_values must be a list"),
        ("unit: 2026-01-01", ""), ("? [a]\n  : 1", ""),
    ],
)  # fmt: skip
def test_odd_values_are_faults_with_their_line_and_no_exceptions(
    tmp_path: Path, added: str, said: str
) -> None:
    text = GOOD.replace("  unit: B\n", "") if added.startswith("unit") else GOOD
    found, faults = load(tmp_path, f"{text}  {added}\n")
    assert not found
    (fault,) = faults
    line, _, told = fault.partition(": ")
    assert line in ("6", "7", "8", "1"), fault
    assert said in told


def test_nested_pollsters_hang_eight_deep_at_the_most(tmp_path: Path) -> None:
    one = "name: n, endpoint_type: x, url_path: y"
    inner = f"{{{one}}}"
    for _ in range(7):
        inner = f"{{{one}, extra_metadata_fields: {inner}}}"
    found, faults = load(tmp_path, f"{GOOD}  extra_metadata_fields: {inner}\n")
    assert (len(found), faults) == (1, [])
    inner = f"{{{one}, extra_metadata_fields: {inner}}}"
    found, (fault,) = load(tmp_path, f"{GOOD}  extra_metadata_fields: {inner}\n")
    assert not found
    assert fault == "7: nested more than 8 deep"


def test_a_list_that_hangs_in_itself_is_a_fault(tmp_path: Path) -> None:
    _, (fault,) = load(tmp_path, f"&a\n{GOOD}  extra_metadata_fields: *a\n")
    assert "an alias inside of what it stands for" in fault


@pytest.mark.parametrize("text", [b"\xff\xfe", b"- name: \xe9\n", b"- \x00"])
def test_a_file_of_bytes_is_a_fault(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "pollsters.yaml").write_bytes(text)
    found, (fault,) = load_pollsters([tmp_path], stock=False)
    assert not found
    assert fault.line == 1
