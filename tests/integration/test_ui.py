"""The pages by Django's client: who sees what, and what bad input is answered."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.signing import Signer
from django.test import Client
from django.urls import reverse

from meters.models import CatalogueEpoch, Event, Metric, Quarantine, Resource, Source
from meters.store import write
from meters.store.read import read_points
from meters.store.write import store_batch
from meters.ui.views import docs, plot_tables
from telemetry_site.clock import now, now_us
from tests.browser import seed
from tests.support.batches import SECOND, batch_of
from tests.support.visitors import signed_in

PLOT_VIEWS = ("plot", "plot-data", "plot-csv", "plot-samples", "plot-samples-csv")
with_data = pytest.mark.usefixtures("installation")
pytestmark = pytest.mark.usefixtures("people")


@pytest.fixture
def people(db: None) -> None:
    seed.users()


@pytest.fixture
def installation(people: None) -> Iterator[None]:
    write._cache.clear()  # what it knows was rolled back with the test before
    CatalogueEpoch.objects.get_or_create(pk=1)
    seed.seed(instances=2, hours=1)
    yield
    write._cache.clear()


def open_pages() -> list[str]:
    """Pages for everybody signed in; their objects belong to the member's project."""
    instance = Resource.objects.get(original_id=seed.instance(1).id)
    metric = instance.metrics.get(name="cpu")
    return [
        reverse("ui:overview"),
        reverse("ui:resources"),
        reverse("ui:meters"),
        reverse("ui:events"),
        reverse("ui:plot"),
        reverse("ui:plot-offers"),
        reverse("ui:health"),
        reverse("ui:why"),
        *own_pages(instance, metric),
    ]


def own_pages(instance: Resource, metric: Metric) -> list[str]:
    """Pages of one project's things: a stranger gets 404."""
    query = f"?metric={metric.uuid}&range=1h"
    return [
        reverse("ui:resource", args=[instance.uuid]),
        reverse("ui:meter") + "?name=memory.usage",
        reverse("ui:event", args=[Event.objects.latest("pk").pk]),
        *(reverse(f"ui:{view}") + query for view in PLOT_VIEWS),
    ]


def operator_pages() -> list[str]:
    return [
        reverse("ui:sources"),
        reverse("ui:source", args=[Source.objects.latest("pk").pk]),
        reverse("ui:storage"),
        reverse("ui:quarantine"),
        reverse("ui:quarantine-item", args=[Quarantine.objects.latest("pk").pk]),
    ]


# --- who sees what ---------------------------------------------------------------------------


@with_data
def test_nobody_sees_a_page_without_login_and_the_way_back_is_signed() -> None:
    for page in open_pages() + operator_pages():
        answer = Client().get(page)
        assert answer.status_code == 302, page
        there = urlsplit(answer["Location"])
        assert there.path == "/login/"
        assert Signer(salt="meters.ui.next").unsign(parse_qs(there.query)["next"][0]) == page


@with_data
def test_a_part_asked_for_without_login_sends_the_whole_page_to_the_login() -> None:
    for page in open_pages():
        answer = Client().get(page, headers={"HX-Request": "true"})
        assert answer.status_code == 401, page
        assert answer["HX-Redirect"].startswith("/login/?next=")


@with_data
def test_the_operator_sees_everything(operator: Client) -> None:
    for page in open_pages() + operator_pages():
        assert operator.get(page).status_code == 200, page
        part = operator.get(page, headers={"HX-Request": "true"})
        assert part.status_code == 200, page


@with_data
def test_a_member_sees_the_own_project_but_not_the_operators_pages(member: Client) -> None:
    for page in open_pages():
        assert member.get(page).status_code == 200, page
    for page in operator_pages():
        answer = member.get(page)
        assert answer.status_code == 403, page
        assert "for operators" in answer.content.decode()


@with_data
def test_a_stranger_gets_a_404_as_for_what_does_not_exist(stranger: Client) -> None:
    instance = Resource.objects.get(original_id=seed.instance(1).id)
    for page in own_pages(instance, instance.metrics.get(name="cpu")):
        answer = stranger.get(page)
        assert answer.status_code == 404, page
        assert "belongs to a project" in answer.content.decode()


@with_data
def test_who_is_in_no_project_gets_a_403_page_and_can_log_out(people: None) -> None:
    User.objects.create_user("nobody", password="correct horse battery")
    client = signed_in("nobody")
    for page in open_pages():
        answer = client.get(page)
        assert answer.status_code == 403, page
        assert "member of no project" in answer.content.decode()
    assert 'action="/logout/"' in client.get("/").content.decode()


@with_data
def test_a_stranger_finds_nothing_in_any_list(stranger: Client) -> None:
    for view in ("overview", "resources", "meters", "events", "plot-offers"):
        text = stranger.get(reverse(f"ui:{view}")).content.decode()
        assert "web-1" not in text
        assert seed.PROJECT not in text
        assert "compute.instance" not in text.replace("e.g. compute.instance.", "")


@with_data
def test_a_member_is_not_told_how_the_installation_does(member: Client) -> None:
    text = member.get(reverse("ui:overview")).content.decode()
    assert "libvirt" not in text
    assert "Quarantine" not in text
    assert "demo-host" not in text


# --- session and forms -----------------------------------------------------------------------


def test_hits_of_the_login_page_make_no_session() -> None:
    client = Client()
    for _ in range(50):
        assert client.get("/login/").status_code == 200
    assert not Session.objects.exists()


def log_in(next_: str) -> str:
    answer = Client().post(
        "/login/", {"username": "member", "password": "correct horse battery", "next": next_}
    )
    assert answer.status_code == 302
    return answer["Location"]


def test_login_leads_back_to_the_page_that_was_asked_for() -> None:
    wanted = "/plot?metric=1&range=6h"
    there = Client().get("/resources?q=a%20b&type=x")["Location"]
    assert log_in(parse_qs(urlsplit(there).query)["next"][0]) == "/resources?q=a%20b&type=x"
    assert log_in(Signer(salt="meters.ui.next").sign(wanted)) == wanted


@pytest.mark.parametrize(
    "target",
    [
        "//evil", "///evil", "/\\evil", "https:evil", "https://evil/", "\x08//evil", "/\t/evil",
        "//self@evil/",
    ],
)  # fmt: skip
def test_login_leads_nowhere_else_even_when_signed(target: str) -> None:
    assert log_in(Signer(salt="meters.ui.next").sign(target)) == "/"


def test_an_unsigned_way_back_is_not_followed() -> None:
    assert log_in("/resources") == "/"
    assert log_in("/resources:forged") == "/"


def test_guessing_is_slowed_down_with_a_sentence() -> None:
    form = {"username": "member", "password": "wrong"}
    answers = [Client().post("/login/", form).content.decode() for _ in range(8)]
    assert "The name or the password is wrong." in answers[0]
    assert "Too many attempts. Try again in" in answers[-1]


def test_logout_is_a_post_and_clears_the_browser(member: Client) -> None:
    assert member.get("/logout/").status_code == 405
    answer = member.post("/logout/")
    assert answer.status_code == 302
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert member.get("/").status_code == 302


def test_a_form_without_token_is_refused_with_the_setting_that_is_wrong() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(
        "/login/", {"username": "x"}, headers={"Origin": "https://metrics.example"}
    )
    assert answer.status_code == 403
    assert "set SITE_URL=https://metrics.example" in answer.content.decode()


@with_data
def test_an_unsafe_request_from_another_site_is_refused(operator: Client) -> None:
    source = Source.objects.latest("pk")
    page = reverse("ui:source-forget", args=[source.pk])
    assert operator.post(page, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert Source.objects.filter(pk=source.pk).exists()
    assert operator.post(page, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302
    assert not Source.objects.filter(pk=source.pk).exists()


def test_every_answer_has_the_headers_errors_included(operator: Client) -> None:
    for page in ("/", "/login/", "/nope", "/plot?range=x", "/health", "/sources/999999"):
        answer = operator.get(page)
        assert "'unsafe" not in answer["Content-Security-Policy"], page
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "no-store" in answer["Cache-Control"]
        assert "camera=()" in answer["Permissions-Policy"]


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("plot?range=abc", "range: &#x27;abc&#x27; is not one of 1h, 6h, 24h, 7d, 30d"),
        ("plot?metric=1", "metric: badly formed hexadecimal UUID string"),
        ("plot?start=x&stop=y", "start: &#x27;x&#x27; is not a time"),
        ("plot?start=2026-11-25T04:00:00Z", "give both"),
        ("plot?start=20&stop=10", "stop: must be after start"),
        ("plot?start=0&stop=4e9", "is not a time"),
        ("plot?start=0&stop=4000000000", "at most ten years apart"),
        ("plot?start=9999999999999&stop=99999999999999", "start:"),
        ("plot?aggregation=rate:mean", "aggregation:"),
        ("plot?aggregation=101pct", "aggregation:"),
        ("plot?granularity=0", "granularity:"),
        ("plot?granularity=-5", "granularity:"),
        ("plot?granularity=%C2%B2", "granularity:"),
        ("plot?rate=yes", "rate:"),
        ("plot?range=1h&range=6h", "range: given 2 times"),
        ("plot?" + "&".join(f"metric={n}" for n in range(13)), "metric: 13 values"),
        ("resources?page=0", "page:"),
        ("resources?page=%C2%B2", "page:"),
        ("resources?q=%00", "q: holds a NUL"),
        ("resources?q=" + "x" * 256, "q: 256 characters"),
        ("events?range=2h", "range:"),
        ("events?start=1e99", "start:"),
        ("events?start=20&stop=10", "stop: must be after start"),
        ("events?trait=vcpus&op=in&value=2", "op: &#x27;in&#x27; is not one of eq, ne, lt"),
        ("events?op=gt&value=2", "trait: which one is to be &gt; 2?"),
        ("events?" + "&".join(["trait=a"] * 10), "trait: 10 conditions, at most 8"),
        ("events?type=a%01", "type: holds a control character"),
        ("meter", "name: which meter"),
        ("quarantine?state=gone", "state:"),
        ("quarantine?reason=gone", "reason:"),
        ("sources?state=gone", "state:"),
    ],
)
def test_a_bad_query_is_a_400_that_names_the_place(
    operator: Client, query: str, words: str
) -> None:
    answer = operator.get(f"/{query}")
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_hostile_text_in_a_query_is_shown_as_text(operator: Client) -> None:
    for page in ("resources", "meters", "events", "sources", "meter"):
        name = {"events": "trait", "meter": "name"}.get(page, "q")
        answer = operator.get(f"/{page}", {name: "<script>alert(1)</script>"})
        assert "<script>alert" not in answer.content.decode()
        assert answer.status_code in (200, 404)


# --- lists -----------------------------------------------------------------------------------


@with_data
def test_resources_are_found_by_name_id_metadata_type_and_project(operator: Client) -> None:
    for query in ({"q": "web-1"}, {"q": "5d0c6b7e0001"}, {"q": "web-1 debian-12"},
                  {"type": "instance"}, {"project": seed.PROJECT, "q": "WEB-1"}):  # fmt: skip
        text = operator.get("/resources", query).content.decode()
        assert "web-1" in text, query
        assert "demo-host</bdi>" not in text, query
    assert (
        "No resource fits" in operator.get("/resources", {"q": "nothing-like-it"}).content.decode()
    )


@with_data
def test_lists_are_paged_and_keep_their_filter(operator: Client) -> None:
    moment = now_us()
    store_batch(batch_of(*((seed.instance(n), "uptime", 1.0, moment) for n in range(100, 190))))
    text = operator.get("/resources", {"q": "web-1", "type": "instance"}).content.decode()
    assert "1–50 of 91" in text
    assert "?q=web-1&amp;type=instance&amp;page=2" in text
    text = operator.get("/resources", {"q": "web-1", "page": 2}).content.decode()
    assert "51–91 of 91" in text


@with_data
def test_events_are_filtered_by_type_trait_value_time_and_resource(operator: Client) -> None:
    def total(**query: str | list[str]) -> int:
        return operator.get("/events", query).context["listing"].total

    assert total() == 90
    assert total(type="compute.instance.") == 60
    assert total(type="*.create.end") == 60
    assert total(type="compute.*.end") == 60
    assert total(type="*.create") == 0
    assert total(trait="vcpus", op="ge", value="3") == 0
    assert total(trait="disk_gb", op="gt", value="20") == 90
    assert total(trait="launched_at", op="lt", value="2020-01-01") == 0
    both = {"trait": ["display_name", "disk_gb", ""], "op": ["ne", "le", "eq"]}
    assert total(**both, value=["web-1", "20.5", ""]) == 75
    assert total(**both, value=["web-1", "20", ""]) == 0
    assert total(type="volume.create.end") == 30
    assert total(trait="vcpus", value="2") == 90
    assert total(trait="disk_gb", value="20.5") == 90
    assert total(trait="display_name", value="web-1") == 15
    assert total(trait="display_name", value="nobody") == 0
    assert total(value="WEB-2") == 15
    assert total(trait="absent") == 0
    assert total(resource=seed.instance(1).id) == 15
    recent = total(range="1h")
    assert 0 < recent < 90
    middle = (now() - timedelta(hours=1)).isoformat()
    assert total(start=middle, stop="2190-01-01") == recent


@with_data
def test_a_text_in_events_is_found_as_it_stands_not_as_json_writes_it(operator: Client) -> None:
    some = Event.objects.latest("pk")
    Event.objects.filter(pk=some.pk).update(traits={"path": 'C:\\temp "x"'})

    def total(value: str) -> int:
        return operator.get("/events", {"value": value}).context["listing"].total

    assert (total("c:\\TEMP"), total('"x"'), total('p "x'), total('": "')) == (1, 1, 1, 0)


@with_data
def test_pages_of_events_keep_every_condition(operator: Client) -> None:
    query = {"trait": ["vcpus", "disk_gb"], "op": ["eq", "ge"], "value": ["2", ""], "range": ""}
    first = operator.get("/events", query).context["listing"]
    second = operator.get(f"/events{first.older}").context
    assert second["asked"] == operator.get("/events", query).context["asked"]
    assert len(second["listing"].page) == 40


@with_data
def test_an_event_shows_its_traits_by_their_types_and_links_its_resource(member: Client) -> None:
    instance = Resource.objects.get(original_id=seed.instance(1).id)
    found = member.get("/events", {"resource": instance.original_id}).context["rows"][0][0]
    text = member.get(reverse("ui:event", args=[found.pk])).content.decode()
    assert reverse("ui:resource", args=[instance.uuid]) in text
    assert '<td class="quiet type">float</td>' in text
    assert "Raw form" in text
    Event.objects.filter(pk=found.pk).update(raw={})
    text = member.get(reverse("ui:event", args=[found.pk])).content.decode()
    assert "TELEMETRY_STORE_RAW" in text


@with_data
def test_a_resource_shows_its_newest_events_and_nobody_elses(
    member: Client, operator: Client
) -> None:
    instance = Resource.objects.get(original_id=seed.instance(1).id)
    page = reverse("ui:resource", args=[instance.uuid])
    newest = Event.objects.filter(traits__instance_id=instance.original_id).order_by("-generated")
    assert member.get(page).context["events"] == list(newest[:5])
    everything = reverse("ui:events") + f"?resource={instance.original_id}"
    assert everything in member.get(page).content.decode()
    Event.objects.filter(pk=newest[0].pk).update(project_id="another")
    assert member.get(page).context["events"] == list(newest[1:6])
    Event.objects.all().delete()
    assert "No event names this resource" in member.get(page).content.decode()


# --- plot ------------------------------------------------------------------------------------


@with_data
def test_the_data_of_a_plot_is_json_with_gaps_and_units(member: Client) -> None:
    cpu = seed.metric("cpu", seed.instance(1))
    memory = seed.metric("memory.usage", seed.instance(1))
    answer = member.get(reverse("ui:plot-data"), {"metric": [cpu.uuid, memory.uuid], "range": "1h"})
    assert answer["Content-Type"] == "application/json"
    data = answer.json()
    assert data["granularity"] == 0
    assert data["refresh"] == 5
    rate, gauge = data["series"]
    assert rate["unit"] == "ns/s"
    assert all(0 < value < 1e9 for value in rate["v"])
    assert gauge["unit"] == "MB"
    raw = member.get(reverse("ui:plot-data"), {"metric": cpu.uuid, "rate": "0"}).json()
    assert raw["series"][0]["unit"] == "ns"


@with_data
def test_an_absolute_range_does_not_refresh_and_an_empty_one_says_when_there_was_data(
    member: Client,
) -> None:
    metric = seed.metric("cpu", seed.instance(1))
    query = {"metric": metric.uuid, "start": "2026-01-01", "stop": "2026-01-02"}
    data = member.get(reverse("ui:plot-data"), query).json()
    assert data["refresh"] == 0
    assert data["series"][0]["v"] == []
    assert data["newest"] > 1_700_000_000


@with_data
def test_the_csv_has_the_points_and_no_formulas(operator: Client) -> None:
    hostile = seed.wire.Resource("=cmd|' /C calc'!A0", type="generic")
    store_batch(batch_of((hostile, "@SUM(1)", -2.5, now_us() - SECOND)))
    metric = seed.metric("@SUM(1)", hostile)
    answer = operator.get(reverse("ui:plot-csv"), {"metric": metric.uuid})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    header, row = csv.reader(io.StringIO(text))
    assert header == ["time", "resource", "meter", "unit", "value"]
    assert row[1:] == ["'=cmd|' /C calc'!A0", "'@SUM(1)", "B", "-2.5"]


@with_data
def test_the_samples_of_a_plot_are_a_table_that_says_when_it_is_cut(
    member: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = seed.metric("cpu", seed.instance(1))
    memory = seed.metric("memory.usage", seed.instance(1))
    points = sum(len(read_points([metric.pk]).values) for metric in (cpu, memory))
    query = {"metric": [memory.uuid, cpu.uuid], "range": "6h"}
    monkeypatch.setattr(plot_tables, "SAMPLES_SHOWN", points)
    whole = member.get(reverse("ui:plot-samples"), query)
    assert f"All {points} samples" in whole.content.decode()
    monkeypatch.setattr(plot_tables, "SAMPLES_SHOWN", 5)
    cut = member.get(reverse("ui:plot-samples"), query)
    assert "The newest 5 samples" in cut.content.decode()
    assert cut.context["rows"] == whole.context["rows"][:5]
    moments = [moment for moment, _, _ in whole.context["rows"]]
    assert moments == sorted(moments, reverse=True)
    assert {metric for _, metric, _ in whole.context["rows"]} == {cpu, memory}
    answer = member.get(cut.context["csv_url"])
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == points
    assert rows[-1]["value"] == repr(whole.context["rows"][0][2])
    empty = {"metric": cpu.uuid, "start": "2026-01-01", "stop": "2026-01-02"}
    assert (
        "No sample in this range" in member.get(reverse("ui:plot-samples"), empty).content.decode()
    )


@with_data
def test_a_plot_has_no_samples_of_a_former_owner(member: Client, operator: Client) -> None:
    """Neither drawn nor listed: they stay the other project's."""
    moved = seed.wire.Resource("moved", project_id="former", type="instance")
    moment = now_us()
    store_batch(batch_of((moved, "load", 1.0, moment - 600 * SECOND)))
    moved = seed.wire.Resource("moved", project_id=seed.PROJECT, type="instance")
    store_batch(batch_of((moved, "load", 2.0, moment - 60 * SECOND)))
    query = {"metric": seed.metric("load", moved).uuid}
    for client, values in ((member, [2.0]), (operator, [1.0, 2.0])):
        series = client.get(reverse("ui:plot-data"), query).json()["series"][0]
        assert [value for value in series["v"] if value is not None] == values
        rows = client.get(reverse("ui:plot-samples"), query).context["rows"]
        assert [value for _, _, value in rows] == values[::-1]


@with_data
def test_a_last_value_of_a_former_owners_time_is_not_shown(
    member: Client, operator: Client
) -> None:
    moved = seed.wire.Resource("moved", project_id="former", type="instance")
    store_batch(batch_of((moved, "load", 1.0, now_us() - 600 * SECOND)))
    moved = seed.wire.Resource("moved", project_id=seed.PROJECT, type="instance")
    store_batch(batch_of((moved, "other", 2.0, now_us() - 60 * SECOND)))
    page = reverse("ui:resource", args=[Resource.objects.get(original_id="moved").uuid])
    for client, load in ((member, None), (operator, 1.0)):
        shown = {row.metric.name: row for row in client.get(page).context["rows"]}
        assert shown["load"].value == load
        assert (shown["load"].spark is None) == (load is None)
        assert shown["other"].value == 2.0


@with_data
def test_the_plot_page_pushes_its_whole_state_as_an_address(member: Client) -> None:
    metric = seed.metric("cpu", seed.instance(1))
    answer = member.get(reverse("ui:plot"), {"metric": metric.uuid, "range": "24h", "rate": "0"})
    assert answer["HX-Push-Url"] == (
        f"/plot?metric={metric.uuid}&range=24h&aggregation=mean&granularity=auto&rate=0"
    )


# --- quarantine ------------------------------------------------------------------------------


@with_data
def test_a_quarantined_item_is_discarded_by_name_and_only_by_an_operator(
    operator: Client, member: Client
) -> None:
    item = Quarantine.objects.get()
    form = {"item": [item.pk], "do": "discard"}
    assert member.post(reverse("ui:quarantine-decide"), form).status_code == 403
    assert operator.get(reverse("ui:quarantine-decide")).status_code == 405
    answer = operator.post(reverse("ui:quarantine-decide"), form, follow=True)
    assert "1 discarded." in answer.content.decode()
    item.refresh_from_db()
    assert (item.state, item.closed_by) == ("discarded", "operator")


@with_data
def test_a_replay_that_is_refused_says_why(operator: Client) -> None:
    item = Quarantine.objects.get()
    answer = operator.post(
        reverse("ui:quarantine-decide"), {"item": [item.pk], "do": "replay"}, follow=True
    )
    assert f"1 could not be: {item.pk}:" in answer.content.decode()
    item.refresh_from_db()
    assert item.state == "open"


@pytest.mark.parametrize(
    "form", [{}, {"item": ["x"], "do": "discard"}, {"item": ["1"], "do": "eat"}]
)
def test_a_bad_decision_is_a_400(operator: Client, form: dict[str, object]) -> None:
    assert operator.post(reverse("ui:quarantine-decide"), form).status_code == 400


# --- admin -----------------------------------------------------------------------------------


def test_the_admin_is_for_staff_and_has_our_login(operator: Client, member: Client) -> None:
    answer = Client().get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/login/?next=%2Fadmin%2F")
    answer = member.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "for staff" in answer.content.decode()
    assert operator.get("/admin/").status_code == 200


@with_data
def test_measured_things_are_read_only_in_the_admin(operator: Client) -> None:
    for model in ("resource", "metric", "event", "source", "quarantine", "pollreport"):
        assert operator.get(f"/admin/meters/{model}/").status_code == 200, model
        assert operator.get(f"/admin/meters/{model}/add/").status_code == 403, model
    resource = Resource.objects.latest("pk")
    change = f"/admin/meters/resource/{resource.pk}/change/"
    assert operator.get(change).status_code == 200
    assert operator.post(change, {"original_id": "x"}).status_code == 403
    assert operator.post(change.replace("change", "delete"), {"post": "yes"}).status_code == 403


@with_data
def test_meters_are_found_in_the_admin_by_how_they_begin(operator: Client) -> None:
    metric = Metric.objects.select_related("resource").latest("pk")
    name, resource = metric.name, metric.resource.original_id

    def found(words: str) -> set[Any]:
        answer = operator.get("/admin/meters/metric/", {"q": words})
        return {one.pk for one in answer.context["cl"].result_list}

    named = set(Metric.objects.filter(name__startswith=name[:3]).values_list("pk", flat=True))
    of_it = set(metric.resource.metrics.values_list("pk", flat=True))
    assert found(name[:3]) >= named > set()
    assert found(resource) >= of_it > set()
    assert metric.pk in found(f"{resource} {name}")
    assert found(f"{resource} nothing-begins-so") == set()
    answer = operator.get("/admin/meters/resource/", {"q": resource[:-1]})
    assert metric.resource_id in {one.pk for one in answer.context["cl"].result_list}


def test_only_an_admin_makes_staff(operator: Client) -> None:
    helper = User.objects.create_user("helper", password="correct horse battery", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    form = {
        "username": "helper", "is_active": "on", "is_staff": "on", "is_superuser": "on",
        "date_joined_0": "2026-11-25", "date_joined_1": "00:00:00",
        "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0",
    }  # fmt: skip
    signed_in("helper").post(f"/admin/auth/user/{helper.pk}/change/", form)
    helper.refresh_from_db()
    assert not helper.is_superuser


class TestDocs:
    """The documentation is served by the product, links and all."""

    @pytest.fixture
    def reader(self, client: Client) -> Client:
        client.force_login(User.objects.create_superuser("op"))
        return client

    def test_every_page_is_served_and_every_link_leads_somewhere(self, reader: Client) -> None:
        seen: set[str] = set()
        waiting = ["/docs/"]
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            answer = reader.get(address)
            assert answer.status_code == 200, address
            if answer["Content-Type"].startswith("text/html"):
                article = answer.content.decode().partition('<article class="prose">')[2]
                links = re.findall(r'(?:href|src)="([^"#]+)', article.partition("</article>")[0])
                waiting += [
                    urljoin(address, link) for link in links if "://" not in link
                    and urljoin(address, link).startswith("/docs/")
                ]  # fmt: skip
        pages = {f"/docs/{path.relative_to(docs.ROOT)}" for path in docs.ROOT.rglob("*.md")}
        assert pages - {"/docs/README.md"} <= seen

    def test_search_finds_pages_with_all_words(self, reader: Client) -> None:
        text = reader.get("/docs/", {"q": "spool receipt"}).content.decode()
        assert "why/a-samples-way.md" in text
        assert "Nothing found" in reader.get("/docs/", {"q": "xyzzy"}).content.decode()

    @pytest.mark.parametrize("name", ["../manage.py", "%2e%2e/.env", "nosuch.md", "img/../.."])
    def test_nothing_else_is_served(self, reader: Client, name: str) -> None:
        assert reader.get(f"/docs/{name}").status_code == 404

    def test_html_in_a_page_stays_text(self) -> None:
        html, title = docs.rendered("# A <b>\n\n<script>x</script>")
        assert "<script>" not in html
        assert title == "A <b>"


@pytest.mark.parametrize("path", ["/", "/meters/", "/alarms/", "/login/", "/no-such-page/"])
def test_a_red_bar_says_that_callers_are_believed(
    operator: Client, settings: Any, path: str
) -> None:
    visitor = Client() if path == "/login/" else operator
    assert "whoever reaches the port" not in visitor.get(path).content.decode()
    settings.TELEMETRY_BASIC_AUTH = True
    page = visitor.get(path).content.decode()
    assert 'class="notice bar" role="alert">TELEMETRY_BASIC_AUTH is set: whoever reaches' in page
