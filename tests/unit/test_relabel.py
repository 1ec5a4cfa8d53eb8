"""Relabelling and scrape files, as Prometheus does them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from pollers.central.relabel import read_rules, relabelled
from pollers.central.scrape_file import ScrapeFileError, ScrapeTarget, load_jobs, read_jobs
from telemetry_site.yamlfile import DefinitionError, Sequence, read_yaml


def rules(folder: Path, *written: dict[str, Any]) -> Any:
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump([*written]))
    content, _ = read_yaml(file)
    assert isinstance(content, Sequence)
    return read_rules(content, 1)


LABELS = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # The cases of Prometheus' own documentation and of its relabel_test.go, by their meaning.
        ({"source_labels": ["a"], "regex": "f(.*)", "target_label": "d",
          "replacement": "ch${1}-ch${1}"}, LABELS | {"d": "choo-choo"}),
        ({"source_labels": ["a", "b"], "regex": "foo;bar", "target_label": "d",
          "replacement": "x"}, LABELS | {"d": "x"}),
        ({"source_labels": ["a", "b"], "separator": "-", "target_label": "d"},
         LABELS | {"d": "foo-bar"}),
        ({"source_labels": ["a"], "regex": "o", "target_label": "d"}, LABELS),
        ({"source_labels": ["a"], "target_label": "a", "replacement": ""},
         {"b": "bar", "c": "baz"}),
        ({"source_labels": ["a"], "regex": "(.).*", "target_label": "${1}x"},
         LABELS | {"fx": "f"}),
        ({"source_labels": ["a"], "regex": ".*", "target_label": "$$bad", "replacement": "x"},
         LABELS),
        ({"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}, None),
        ({"source_labels": ["a"], "regex": "no", "action": "drop"}, LABELS),
        ({"source_labels": ["a"], "regex": "no", "action": "keep"}, None),
        ({"source_labels": ["none"], "regex": "", "action": "keep"}, LABELS),
        ({"source_labels": ["a"], "target_label": "b", "action": "dropequal"}, LABELS),
        ({"source_labels": ["a"], "target_label": "b", "action": "keepequal"}, None),
        ({"source_labels": ["c"], "target_label": "d", "action": "hashmod", "modulus": 1000},
         LABELS | {"d": "976"}),
        ({"regex": "(b.*)", "replacement": "bar_${1}", "action": "labelmap"},
         LABELS | {"bar_b": "bar"}),
        ({"regex": "[ab]", "action": "labeldrop"}, {"c": "baz"}),
        ({"regex": "[ab]", "action": "labelkeep"}, {"a": "foo", "b": "bar"}),
        ({"source_labels": ["a"], "target_label": "a", "action": "uppercase"},
         LABELS | {"a": "FOO"}),
        ({"source_labels": ["a"], "target_label": "d", "action": "Lowercase"},
         LABELS | {"d": "foo"}),
    ],
)  # fmt: skip
def test_a_rule_does_what_prometheus_does(
    tmp_path: Path, rule: dict[str, Any], expected: dict[str, str] | None
) -> None:
    assert relabelled(LABELS, rules(tmp_path, rule)) == expected


@pytest.mark.parametrize("key", ["regex", "replacement", "separator", "action"])
def test_a_key_without_value_is_as_if_it_was_not_there(tmp_path: Path, key: str) -> None:
    rule = {"source_labels": ["a", "b"], "target_label": "d", key: None}
    assert relabelled(LABELS, rules(tmp_path, rule)) == LABELS | {"d": "foo;bar"}


def test_a_truth_is_what_is_written(tmp_path: Path) -> None:
    rule = {"target_label": "d", "replacement": True}
    assert relabelled(LABELS, rules(tmp_path, rule)) == LABELS | {"d": "true"}


def test_rules_follow_one_another(tmp_path: Path) -> None:
    made = rules(
        tmp_path,
        {"source_labels": ["a"], "target_label": "d"},
        {"source_labels": ["d"], "regex": "foo", "action": "keep"},
        {"regex": "a|b|c", "action": "labeldrop"},
    )
    assert relabelled(LABELS, made) == {"d": "foo"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"action": "remove"}, "'remove' is none of"),
        ({"action": "replace"}, "replace needs a target_label"),
        ({"action": "hashmod", "target_label": "x"}, "hashmod needs a modulus"),
        ({"regex": "(", "target_label": "x"}, "regex: "),
        ({"sources": ["a"]}, "there is no key 'sources'"),
        ({"source_labels": "a", "target_label": "x"}, "source_labels is a list"),
        ({"source_labels": [["a"]], "target_label": "x"}, "source_labels is a list"),
        ({"action": "hashmod", "target_label": "x", "modulus": "9"}, "modulus is a number"),
        ({"action": "hashmod", "target_label": "x", "modulus": True}, "modulus is a number"),
        ({"action": "hashmod", "target_label": "x", "modulus": 10**400}, "needs a modulus"),
        ({"action": ["keep"]}, "action must be text"),
        ({"target_label": {"a": 1}}, "target_label must be text"),
        ({"regex": "a{99999999999}", "target_label": "x"}, "regex: "),
        ({"regex": "[[:alpha:]]+", "target_label": "x"}, "classes like"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path: Path, rule: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said.replace("(", r"\(")):
        rules(tmp_path, rule)


FILE = """\
global: {scrape_interval: 1m}
scrape_configs:
  - job_name: node
    scrape_interval: 1m30s
    scrape_timeout: 5s
    params: {collect: [cpu, disk]}
    honor_labels: false
    static_configs:
      - targets: ["h1:9100", "h2:9100", "h3:9100"]
        labels: {room: one}
    relabel_configs:
      - {source_labels: [__address__], regex: "h2.*", action: drop}
      - {source_labels: [__address__], regex: "(.*):.*", target_label: instance}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: "go_.*", action: drop}
      - {regex: "mode", action: labeldrop}
  - job_name: secure
    scheme: https
    metrics_path: /m
    basic_auth: {username: u, password: pw-not-to-be-seen}
    static_configs: [{targets: ["h9:443"]}]
"""


def load(folder: Path, text: str) -> list[ScrapeTarget]:
    file = folder / "scrape.yaml"
    file.write_text(text)
    return [target for job in load_jobs(file, 10) for target in job.targets()]


def test_a_file_makes_targets_of_its_jobs(tmp_path: Path) -> None:
    first, third, secure = load(tmp_path, FILE)
    assert first.url == "http://h1:9100/metrics?collect=cpu&collect=disk"
    assert (first.interval_s, first.timeout_s) == (90, 5)
    assert first.labels == {"job": "node", "room": "one", "instance": "h1"}
    assert third.labels["instance"] == "h3"
    assert secure.url == "https://h9:443/m"
    assert secure.interval_s == 60
    assert secure.headers["Authorization"].startswith("Basic ")
    assert "pw-not-to-be-seen" not in repr(secure)


def test_samples_get_the_targets_labels_and_the_jobs_rules(tmp_path: Path) -> None:
    target = load(tmp_path, FILE)[0]
    assert target.labelled("go_threads", {}) is None
    assert target.labelled("cpu", {"mode": "idle", "job": "other"}) == (
        "cpu", {"job": "node", "exported_job": "other", "room": "one", "instance": "h1"},
    )  # fmt: skip


def test_labels_of_the_endpoint_may_be_honoured(tmp_path: Path) -> None:
    target = load(tmp_path, FILE.replace("honor_labels: false", "honor_labels: true"))[0]
    found = target.labelled("cpu", {"job": "other"})
    assert found
    assert found[1]["job"] == "other"
    assert "exported_job" not in found[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1m30s", "soon", "4: job 'node': scrape_interval 'soon' is no time like 30s"),
        ("job_name: secure", "job_name: node", "job_name is missing or stands twice"),
        ("scheme: https", "kubernetes_sd_configs: []", "kubernetes_sd_configs is not supported"),
        ("action: labeldrop", "action: remove", "'remove' is none of"),
        ("password: pw-not-to-be-seen", "password_file: /none", "/none cannot be read"),
        ("password: pw-not-to-be-seen", "password_file: [a]", "password_file must be text"),
        ("password: pw-not-to-be-seen", "password_file: 'a\\0'", "cannot be read"),
        ("password: pw-not-to-be-seen", "passwrod: x", "basic_auth: passwrod is not supported"),
        ("password: pw-not-to-be-seen", "password: [x]", "password must be text"),
        ("password: pw-not-to-be-seen", "password_file: /proc/self/exe", "it is no text"),
        ("1m30s", "99999999999d", "4: job 'node': scrape_interval '99999999999d' is no time"),
        ("1m30s", f"{'9' * 5000}d", "is no time like 30s"),
        ("1m30s", "8d", "4: job 'node': scrape_interval '8d' is more than a week"),
        ("1m30s", "[1m]", "is no time like 30s"),
        (
            "scrape_timeout: 5s",
            "scrape_timeout: 2m",
            "5: job 'node': scrape_timeout is longer than scrape_interval",
        ),
        ("honor_labels: false", "honor_labels: 'no'", "7: job 'node': honor_labels must be true"),
        ("scheme: https", "scheme: ftp", "18: job 'secure': scheme must be http or https"),
        ("scheme: https", "tls_config: {ca_file: /none}", "18: job 'secure': tls_config: ca_file"),
        ("scheme: https", "tls_config: {insecure_skip_verify: 1}", "must be true or false"),
        ("metrics_path: /m", "metrics_path: {a: b}", "metrics_path must be text"),
        ("labels: {room: one}", "lables: {room: one}", "there is no key 'lables' of a group"),
    ],
)
def test_a_wrong_job_is_named_and_the_agent_does_not_start(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ScrapeFileError, match=said):
        load(tmp_path, FILE.replace(old, new))
    jobs, _ = read_jobs(tmp_path / "scrape.yaml", 10)
    assert jobs, "the other job is read"


def test_a_whole_file_of_prometheus_is_read_and_what_has_no_effect_is_told(
    tmp_path: Path,
) -> None:
    text = FILE.replace("1m}", "1m, evaluation_interval: 15s, external_labels: {a: b}}")
    file = tmp_path / "scrape.yaml"
    file.write_text(f"{text}rule_files: [rules.yml]\n")
    with capture_logs() as logs:
        assert len(load_jobs(file, 10)) == 2
    told = [str(entry["note"]).removeprefix(f"{file}:") for entry in logs]
    assert told == [
        "22: note: a scrape file: rule_files has no effect here",
        "1: note: global: evaluation_interval has no effect here",
        "1: note: global: external_labels has no effect here",
    ]


def test_what_the_file_says_of_all_jobs_has_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(ScrapeFileError, match=r"yaml:1: .*scrape_interval 'soon' is no time"):
        load(tmp_path, FILE.replace("scrape_interval: 1m}", "scrape_interval: soon}"))


def test_a_timeout_of_all_jobs_is_cut_to_a_jobs_interval(tmp_path: Path) -> None:
    common = "{scrape_interval: 1m, scrape_timeout: 45s}"
    text = FILE.replace("{scrape_interval: 1m}", common).replace("    scrape_timeout: 5s\n", "")
    first, _, secure = load(tmp_path, text.replace("1m30s", "20s"))
    assert (first.timeout_s, secure.timeout_s) == (20, 45)


def test_times_are_as_prometheus_writes_them(tmp_path: Path) -> None:
    for text, interval_s in (("1w", 604800), ("1d12h", 129600), ("1500ms", 1.5)):
        file = FILE.replace("1m30s", text).replace("scrape_timeout: 5s", "scrape_timeout: 1s")
        assert load(tmp_path, file)[0].interval_s == interval_s


def test_a_login_in_a_targets_address_is_no_label(tmp_path: Path) -> None:
    target = load(tmp_path, FILE.replace("h9:443", "u:pw-not-to-be-seen@h9:443"))[-1]
    assert target.url == "https://u:pw-not-to-be-seen@h9:443/m"
    assert target.labels["instance"] == "h9:443"


def test_a_file_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScrapeFileError, match="scrape_configs"):
        load(tmp_path, "")
