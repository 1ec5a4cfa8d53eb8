"""The stock pollsters, and own ones of a cloud: login, catalogue and projects are those of a real
Keystone, the other services answer as their references document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meters import wire
from pollers.batch import BatchBuilder
from pollers.polling_file import PollingSource
from pollers.polls import run_poll
from pollers.pollsters.cloud import Cloud
from pollers.pollsters.loading import load_pollsters
from pollers.pollsters.source import PollsterSource
from pollers.work import pollster_work
from telemetry_site.selection import Selection
from telemetry_site.settings.keystone import KeystoneAccess
from tests.keystone import ADMIN_PASSWORD, KeystoneServer
from tests.samples import samples_of, values_of
from tests.support.cloud_answers import ENDPOINTS, P, U, answers_for, gateway_for, recorded_for
from tests.support.http_service import HttpService, answer, answering, http_service
from tests.support.polling import SLOT_US, poll_with, pollsters_of
from tests.support.tls import tls_receiver

pytestmark = pytest.mark.keystone


@pytest.fixture(scope="module")
def running(keystone: KeystoneServer) -> Iterator[HttpService]:
    """The services of the cloud, registered in Keystone's catalogue while this module runs."""
    with http_service() as service:
        made = []
        for kind, path in ENDPOINTS.items():
            made.append(keystone.make_service(kind, kind, service.url + path))
        yield service
        for found in made:
            keystone.call("DELETE", f"services/{found}")


@pytest.fixture
def services(running: HttpService, keystone: KeystoneServer) -> HttpService:
    running.answers = answers_for(keystone.find("projects", "admin"))
    running.seen.clear()
    return running


def access(keystone: KeystoneServer, **changes: Any) -> KeystoneAccess:
    return KeystoneAccess(
        **{"auth_url": keystone.url, "username": "admin", "password": ADMIN_PASSWORD,
           "project_name": "admin", **changes}
    )  # fmt: skip


@pytest.fixture
def cloud(keystone: KeystoneServer) -> Cloud:
    return Cloud(access(keystone))


def poll_stock(cloud: Cloud, *names: str) -> tuple[BatchBuilder, list[wire.PollReport]]:
    """By way of polling sources, as an agent does it."""
    stock, _ = load_pollsters([])
    selected = [PollingSource("s", 60, Selection(names))]
    builder = BatchBuilder("test")
    for work in pollster_work(["central"], selected, stock.values(), cloud):
        run_poll(work.source, builder, SLOT_US, 60)
        assert isinstance(work.source, PollsterSource)
        work.source.close()
    return builder, builder.reports


def test_what_real_services_answered_is_understood(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer
) -> None:
    """Recorded from Glance, Cinder, Neutron and Swift, with their own links from page to page."""
    project = keystone.find("projects", "admin")
    services.answers = recorded_for(project)
    builder, reports = poll_stock(
        cloud, "image.size", "ip.floating", "network.services.*", "volume.*", "storage.*"
    )
    assert [report.errors for report in reports if report.outcome != "ok"] == []
    pages = {report.source: report.details["requests"] for report in reports}
    assert (pages["s: image v2/images"], pages["s: volumev3 volumes/detail"]) == (4, 3)
    assert pages["s: network v2.0/floatingips"] == 3
    found = Counter(meter for _, meter in values_of(builder))
    assert found == {
        "image.size": 2, "ip.floating": 2, "volume.size": 2, "volume.snapshot.size": 1,
        "volume.provider.pool.capacity.allocated": 1, "volume.service.health": 2,
        "storage.objects": 1, "storage.objects.size": 1, "storage.objects.containers": 1,
        "storage.containers.objects": 2, "storage.containers.objects.size": 2,
    }  # fmt: skip
    values = {meter: value for (_, meter), value in values_of(builder).items()}
    assert values["image.size"] == 5000
    assert values["volume.snapshot.size"] == 3
    assert values["ip.floating"] == 3
    assert values["storage.objects.containers"] == 2
    samples = samples_of(builder)
    owners = {
        sample.resource.project_id
        for (_, meter), sample in samples.items()
        if not meter.startswith(("volume.provider", "volume.service"))
    }
    assert owners == {project}
    container = samples[f"{project}/c 2", "storage.containers.objects"]
    assert container.resource.metadata == {"storage_policy": "Policy-0"}


def test_what_a_real_object_gateway_answered_is_understood(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer, settings: Any
) -> None:
    """Recorded from Ceph's, of a project with a bucket of two objects and an empty one."""
    settings.TELEMETRY_RADOSGW_ACCESS_KEY = "AK"
    settings.TELEMETRY_RADOSGW_SECRET_KEY = "secret-not-to-be-seen"
    project = keystone.find("projects", "admin")
    services.answers = gateway_for(project)
    builder, reports = poll_stock(cloud, "radosgw.*")
    assert [report.errors for report in reports if report.outcome != "ok"] == []
    assert len(reports) == 2, "buckets and usage are asked for once each"
    assert values_of(builder) == {
        (project, "radosgw.objects"): 2, (project, "radosgw.objects.size"): 5 * 1024,
        (project, "radosgw.objects.containers"): 2, (project, "radosgw.api.request"): 5,
        (f"{project}/photos", "radosgw.containers.objects"): 2,
        (f"{project}/photos", "radosgw.containers.objects.size"): 5 * 1024,
        (f"{project}/empty", "radosgw.containers.objects"): 0,
        (f"{project}/empty", "radosgw.containers.objects.size"): 0,
    }  # fmt: skip
    resource = samples_of(builder)[project, "radosgw.objects"].resource
    assert (resource.project_id, resource.type) == (project, "ceph_account")
    asked = [one for one in services.seen if one.path.startswith("/admin/")]
    assert asked
    for one in asked:
        assert one.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AK/")
        assert "X-Auth-Token" not in one.headers
    assert "secret-not-to-be-seen" not in f"{services.seen} {reports}"


def test_an_object_gateway_that_has_never_heard_of_a_project_has_nothing_of_it(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer, settings: Any
) -> None:
    settings.TELEMETRY_RADOSGW_ACCESS_KEY, settings.TELEMETRY_RADOSGW_SECRET_KEY = "AK", "SK"
    project = keystone.find("projects", "admin")
    services.answers = {
        path.replace("nobody", project): found
        for path, found in gateway_for("other").items() if "nobody" in path
    }  # fmt: skip
    builder, _ = poll_stock(cloud, "radosgw.*")
    assert set(values_of(builder).values()) == {0}


def test_without_keys_a_wildcard_leaves_the_object_gateway_alone(
    cloud: Cloud, services: HttpService
) -> None:
    assert poll_stock(cloud, "radosgw.*")[1] == []
    (report,) = poll_stock(cloud, "radosgw.objects")[1]
    assert report.outcome == "error"
    assert "set TELEMETRY_RADOSGW_ACCESS_KEY" in report.errors[0]


def test_images(cloud: Cloud, services: HttpService) -> None:
    builder, (report,) = poll_stock(cloud, "image.size")
    assert (report.outcome, report.source) == ("ok", "s: image v2/images"), report.errors
    assert values_of(builder) == {("87492c93", "image.size"): 5000}
    resource = samples_of(builder)["87492c93", "image.size"].resource
    assert (resource.project_id, resource.user_id, resource.type) == (P, None, "image")
    assert resource.metadata["is_protected"] is False
    assert resource.metadata["tags"] == ["small"]
    assert set(resource.metadata) == {
        "status", "visibility", "name", "container_format", "created_at", "disk_format",
        "updated_at", "min_disk", "is_protected", "checksum", "min_ram", "tags", "virtual_size",
    }  # fmt: skip
    assert report.details == {"requests": 2, "entries": 2, "without_value": 1}
    assert all(one.headers["X-Auth-Token"] for one in services.seen)


def test_volumes_snapshots_and_backups(cloud: Cloud, services: HttpService) -> None:
    builder, reports = poll_stock(cloud, "volume.size", "volume.*.size")
    assert [report.outcome for report in reports] == ["ok"] * 3, reports
    assert values_of(builder) == {
        ("vol1", "volume.size"): 3, ("vol2", "volume.size"): 3, ("vol3", "volume.size"): 3,
        ("snap1", "volume.snapshot.size"): 5, ("b1", "volume.backup.size"): 4,
    }  # fmt: skip
    samples = samples_of(builder)
    volume = samples["vol1", "volume.size"].resource
    assert (volume.project_id, volume.user_id) == (P, U)
    assert (volume.metadata["image_id"], volume.metadata["instance_id"]) == ("87492c93", "6f1a2b3c")
    bare = samples["vol2", "volume.size"].resource.metadata
    assert (bare["image_id"], bare["instance_id"]) == (None, None)
    snapshot = samples["snap1", "volume.snapshot.size"].resource
    assert (snapshot.project_id, snapshot.user_id) == (P, None)
    assert services.seen[0].headers["OpenStack-API-Version"] == "volume 3.64"


def test_pools_and_services_of_block_storage(cloud: Cloud, services: HttpService) -> None:
    builder, reports = poll_stock(cloud, "volume.provider.*", "volume.service.health")
    assert [report.outcome for report in reports] == ["ok"] * 2, reports
    pool, prefix = "cmp01@lvm#lvm", "volume.provider.pool.capacity"
    assert values_of(builder) == {
        (pool, f"{prefix}.total"): 100.5, (pool, f"{prefix}.free"): 80,
        (pool, f"{prefix}.allocated"): 10, (pool, f"{prefix}.provisioned"): 20,
        (pool, f"{prefix}.virtual_free"): 20 * (100.5 - 10) - 20,
        ("h@ceph#ceph", f"{prefix}.allocated"): 1,
        ("cinder-volume@cmp01@lvm", "volume.service.health"): 1,
        ("cinder-backup@cmp01", "volume.service.health"): 0,
    }  # fmt: skip
    resource = samples_of(builder)[pool, f"{prefix}.total"].resource
    assert resource.metadata == {"pool_name": "lvm", "provider": "cmp01@lvm"}
    assert resource.project_id is None
    assert len(services.seen) == 2


def test_the_network_and_no_secret_of_its_vpn(cloud: Cloud, services: HttpService) -> None:
    builder, reports = poll_stock(cloud, "ip.floating", "network.services.*")
    assert [report.outcome for report in reports] == ["ok"] * 5, reports
    assert values_of(builder) == {
        ("fip1", "ip.floating"): 3, ("vpn1", "network.services.vpn"): 2,
        ("con1", "network.services.vpn.connections"): 1,
    }  # fmt: skip
    assert "pw-not-to-be-seen" not in str(samples_of(builder))
    lacking = [report for report in reports if "fwaas" in report.source]
    assert [report.details["not_there"] for report in lacking] == [1, 1]


def test_an_unknown_status_is_minus_one(cloud: Cloud, services: HttpService) -> None:
    services.answers["/network/v2.0/floatingips"]["floatingips"][0]["status"] = "LIMBO"
    builder, _ = poll_stock(cloud, "ip.floating")
    assert values_of(builder) == {("fip1", "ip.floating"): -1}


def test_load_balancers_zones_shares_and_alarms(cloud: Cloud, services: HttpService) -> None:
    builder, reports = poll_stock(cloud, "loadbalancer.*", "dns.*", "manila.*", "alarm.*")
    assert [report.outcome for report in reports] == ["ok"] * 5, reports
    assert values_of(builder) == {
        ("lb1", "loadbalancer.operating"): 4, ("lb1", "loadbalancer.provisioning"): 1,
        ("z1", "dns.zone.status"): 1, ("z1", "dns.zone.ttl"): 3600,
        ("z1", "dns.zone.serial"): 1764000000, ("z1", "dns.zone.recordsets"): 12,
        ("s1", "manila.share.size"): 7, ("s1", "manila.share.status"): 7,
        ("al1/ok", "alarm.evaluation_result"): 3, ("al1/alarm", "alarm.evaluation_result"): 1,
    }  # fmt: skip
    samples = samples_of(builder)
    assert samples["z1", "dns.zone.recordsets"].resource.metadata["pool_id"] == "pool1"
    assert samples["z1", "dns.zone.recordsets"].resource.project_id == P
    assert samples["s1", "manila.share.size"].resource.metadata["protocol"] == "NFS"
    zones = [one for one in services.seen if one.path.startswith("/dns")]
    assert {one.headers["X-Auth-All-Projects"] for one in zones} == {"true"}


def test_object_storage_is_asked_for_every_project(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer
) -> None:
    used, unused = keystone.find("projects", "p1"), keystone.find("projects", "p2")
    services.answers[f"/swift/v1/AUTH_{used}"] = answering(
        204, X_Account_Object_Count="3", X_Account_Bytes_Used="1000", X_Account_Container_Count="2"
    )
    services.answers[f"/swift/v1/AUTH_{used}?format=json"] = [
        {"name": "c1", "count": 2, "bytes": 900, "last_modified": "2026-11-25T02:00:00.000000"},
        {"name": "c 2", "count": 1, "bytes": 100, "last_modified": "2026-11-25T02:00:00.000000"},
    ]  # fmt: skip
    builder, reports = poll_stock(cloud, "storage.*")
    assert [report.outcome for report in reports] == ["ok"] * 2, reports
    assert values_of(builder) == {
        (used, "storage.objects"): 3, (used, "storage.objects.size"): 1000,
        (used, "storage.objects.containers"): 2,
        (f"{used}/c1", "storage.containers.objects"): 2,
        (f"{used}/c1", "storage.containers.objects.size"): 900,
        (f"{used}/c 2", "storage.containers.objects"): 1,
        (f"{used}/c 2", "storage.containers.objects.size"): 100,
    }  # fmt: skip
    assert f"/swift/v1/AUTH_{unused}" in services.paths()
    assert all(report.details["not_there"] >= 1 for report in reports)
    assert samples_of(builder)[used, "storage.objects"].resource.project_id == used


def test_a_role_that_lacks_is_one_sentence_a_poll(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer
) -> None:
    projects = [one["id"] for one in keystone.call("GET", "projects")["projects"]]
    for project in projects:
        services.answers[f"/swift/v1/AUTH_{project}"] = answering(403)
    _, (report,) = poll_stock(cloud, "storage.objects")
    assert report.outcome == "error"
    (said,) = report.errors
    assert f"/swift/v1/AUTH_{projects[0]}"[:17] in said
    assert f"HTTP 403 Forbidden (and {len(projects) - 1} more of the kind)" in said
    assert "the login 'admin' lacks a role there, usually ResellerAdmin" in said


IDENTITY = {
    "name": "identity.project", "sample_type": "gauge", "unit": "project",
    "endpoint_type": "identity", "url_path": "v3/projects", "value_attribute": "enabled",
    "metadata_fields": ["name", "domain_id"],
}  # fmt: skip


def test_projects_of_a_real_keystone_are_samples(
    cloud: Cloud, keystone: KeystoneServer, tmp_path: Path
) -> None:
    written = IDENTITY | {
        "extra_metadata_fields": {
            "name": "domain_name", "endpoint_type": "identity",
            "url_path": "'/v3/domains/' + sample['domain_id']", "value": "name",
        }
    }  # fmt: skip
    builder, report, _ = poll_with(pollsters_of(tmp_path, written), cloud)
    assert report.outcome == "ok", report.errors
    found = {one.resource.metadata["name"]: one.resource for one in samples_of(builder).values()}
    assert {"admin", "service", "p1", "p2"} <= set(found)
    assert found["p1"].id == keystone.find("projects", "p1")
    assert found["p1"].metadata["domain_name"] == "Default"
    assert report.details["requests"] == 2


def test_a_token_that_was_revoked_is_made_anew(keystone: KeystoneServer, tmp_path: Path) -> None:
    cloud = Cloud(access(keystone))
    before = cloud.token()
    keystone.admin.delete(f"{keystone.url}/auth/tokens", headers={"X-Subject-Token": before})
    _, report, _ = poll_with(pollsters_of(tmp_path, IDENTITY), cloud)
    assert report.outcome == "ok", report.errors
    assert cloud.token() != before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong"}, "refuses the login 'admin'"),
        (
            {"auth_url": "http://127.0.0.1:9/v3"},
            "Keystone at http://127.0.0.1:9/v3 gives no answer",
        ),
    ],
)
def test_trouble_with_keystone_is_told_without_the_password(
    keystone: KeystoneServer, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    cloud = Cloud(access(keystone, **changes))
    _, report, _ = poll_with(pollsters_of(tmp_path, IDENTITY), cloud)
    assert report.outcome == "error"
    assert said in report.errors[0]
    assert "wrong" not in report.errors[0]


def test_a_service_that_the_catalogue_lacks_is_skipped_with_the_reason(
    cloud: Cloud, tmp_path: Path
) -> None:
    written = IDENTITY | {"endpoint_type": "container-infra"}
    _, report, _ = poll_with(pollsters_of(tmp_path, written), cloud)
    assert (report.outcome, report.samples) == ("ok", 0)
    assert report.details == {"skipped": "no container-infra is in the catalogue"}


def test_endpoints_of_another_region_or_interface_are_not_asked(
    keystone: KeystoneServer, tmp_path: Path
) -> None:
    for changes in ({"region_name": "two"}, {"interface": "internal"}):
        cloud = Cloud(access(keystone, **changes))
        _, report, _ = poll_with(pollsters_of(tmp_path, IDENTITY), cloud)
        assert "skipped" in report.details


def test_resources_and_discoveries_of_a_polling_file_take_the_place_of_the_pollsters_own(
    cloud: Cloud, services: HttpService, tmp_path: Path
) -> None:
    written = IDENTITY | {"endpoint_type": "image", "url_path": "things", "value_attribute": "n"}
    services.answers["/dns/things"] = [{"id": "a", "n": 1}]
    services.answers["/static/things"] = [{"id": "b", "n": 2}]
    definition = pollsters_of(tmp_path, written)
    builder, _, _ = poll_with(
        definition, cloud, discovery=["endpoint:dns"], resources=[f"{services.url}/static"]
    )
    assert [resource for resource, _ in values_of(builder)] == ["b", "a"]
    assert services.paths() == ["/static/things", "/dns/things"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("mgmt/instances", "/volume/v3/{admin}/mgmt/instances"),
        ("/v2/x", "/v2/x"),
        ("'mgmt/' + str(1 + 1)", "/volume/v3/{admin}/mgmt/2"),
    ],
)
def test_a_path_follows_the_endpoint_or_its_host(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer, tmp_path: Path, path: str,
    asked: str,
) -> None:  # fmt: skip
    written = IDENTITY | {"endpoint_type": "volumev3", "url_path": path}
    poll_with(pollsters_of(tmp_path, written), cloud)
    assert services.paths() == [asked.format(admin=keystone.find("projects", "admin"))]


def test_the_token_never_goes_to_another_host(
    cloud: Cloud, services: HttpService, tmp_path: Path
) -> None:
    with http_service() as stranger:
        stranger.answers["/x"] = stranger.answers["/"] = []
        written = IDENTITY | {"endpoint_type": "image", "url_path": "x"}
        _, report, _ = poll_with(pollsters_of(tmp_path, written), cloud, resources=[stranger.url])
        assert report.errors == [f"{stranger.url} is no host of the catalogue"]
        written = IDENTITY | {"endpoint_type": "image", "url_path": f"{stranger.url}/x"}
        _, report, _ = poll_with(pollsters_of(tmp_path, written), cloud)
        assert f"{stranger.url}/x is not at {services.url}/image" in report.errors[0]
        page = {"things": [], "next": f"{stranger.url}/image/more"}
        services.answers |= {"/image/list": page, "/image/more": {"things": []}}
        written = IDENTITY | {
            "endpoint_type": "image", "url_path": "list", "next_sample_url_attribute": "next",
        }  # fmt: skip
        poll_with(pollsters_of(tmp_path, written), cloud)
        assert services.paths() == ["/image/list", "/image/more"]
        assert not stranger.seen


def test_a_secret_of_the_key_manager_signs_requests(
    cloud: Cloud, services: HttpService, keystone: KeystoneServer, tmp_path: Path
) -> None:
    made = keystone.make_service("key-manager", "barbican", f"{services.url}/keys")
    services.answers["/keys/v1/secrets/s1/payload"] = answering(200, "user, pass word")
    services.answers["/own"] = lambda request: answer(
        request, 200, [{"id": request.headers["Authorization"], "enabled": 1}]
    )
    written = {
        **IDENTITY, "url_path": f"{services.url}/own", "module": "requests.auth",
        "authentication_object": "HTTPBasicAuth", "barbican_secret_id": "s1",
    }  # fmt: skip
    del written["endpoint_type"]
    fresh = Cloud(access(keystone))
    builder, report, _ = poll_with(pollsters_of(tmp_path, written), fresh)
    assert report.outcome == "ok", report.errors
    assert [resource for resource, _ in values_of(builder)] == ["Basic dXNlcjpwYXNzIHdvcmQ="]
    # A polling file may name another one.
    services.answers["/keys/v1/secrets/s2/payload"] = answering(200, "other, pass word")
    builder, report, _ = poll_with(
        pollsters_of(tmp_path, written), fresh, discovery=["barbican:s2"]
    )
    keystone.call("DELETE", f"services/{made}")
    assert report.outcome == "ok", report.errors
    assert [resource for resource, _ in values_of(builder)] == ["Basic b3RoZXI6cGFzcyB3b3Jk"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"zones": 5}', '{"zones": [[]]}', "null", "x"])
def test_a_list_of_zones_that_is_none_is_told(
    cloud: Cloud, services: HttpService, text: str
) -> None:
    services.answers["/dns/v2/zones"] = text
    _, reports = poll_stock(cloud, "dns.zone.recordsets")
    (said,) = reports[0].errors
    assert said.startswith("the list of zones is not understood: ")


def test_the_authorities_of_keystone_prove_the_other_services_too(
    keystone: KeystoneServer, tmp_path: Path
) -> None:
    """With a token, and where the request is signed in another way."""
    name = {"ca_file": str(keystone.certificates / "ca.pem"), "auth_url": keystone.tls_url}
    written = {
        "name": "tls.answer", "sample_type": "gauge", "unit": "B", "endpoint_type": "proved",
        "url_path": "x", "response_handlers": ["text"], "value_attribute": "out | len(value)",
        "resource_id_attribute": "out",
    }  # fmt: skip
    signed = {
        "module": "requests.auth", "authentication_object": "HTTPBasicAuth",
        "authentication_parameters": "user, password",
    }  # fmt: skip
    with tls_receiver(keystone.certificates, "good") as (url, got):
        made = keystone.make_service("proved", "proved", url)
        for more in ({}, signed):
            builder, report, _ = poll_with(
                pollsters_of(tmp_path, written | more), Cloud(access(keystone, **name))
            )
            assert report.outcome == "ok", report.errors
            assert values_of(builder) == {("ok", "tls.answer"): 2}
        keystone.call("DELETE", f"services/{made}")
    assert ["x-auth-token" in one.headers for one in got] == [True, False]


def test_only_one_service_of_many_fails(cloud: Cloud, services: HttpService) -> None:
    services.answers["/lb/v2/lbaas/loadbalancers"] = answering(503, "down for work")
    builder, reports = poll_stock(cloud, "loadbalancer.*", "image.size")
    outcomes = {report.source: report.outcome for report in reports}
    assert outcomes == {
        "s: load-balancer v2/lbaas/loadbalancers": "error", "s: image v2/images": "ok",
    }  # fmt: skip
    assert list(values_of(builder)) == [("87492c93", "image.size")]
