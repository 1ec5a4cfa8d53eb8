"""Silences and acknowledgements by the alarming API: Alertmanager's JSON, aodh's envelope."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from alarms import lifecycle
from alarms.models import Alarm, Silence
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.support.muting import asked, matcher

pytestmark = pytest.mark.django_db
MISSING = "00000000-0000-4000-8000-000000000000"


def made(client: AlarmingClient, status: int = 201, **fields: Any) -> Any:
    answer = client.ask("POST", "/silences", asked() | fields)
    assert answer.status_code == status, answer.content
    return answer.json()


class TestSilences:
    def test_made_listed_shown_and_ended(self, member: AlarmingClient) -> None:
        silence = made(member)
        assert silence["silenceID"] == silence["id"]
        shown = member.fetch(f"/silences/{silence['id']}")
        assert shown == {name: silence[name] for name in shown}
        assert member.fetch("/silences") == [shown]
        assert member.ask("DELETE", f"/silences/{silence['id']}").status_code == 204
        [after] = member.fetch("/silences?state=expired")
        assert (after["status"], after["expired_by"]) == ({"state": "expired"}, "u1")
        assert member.fetch("/silences?state=active") == []

    def test_they_are_paged(self, member: AlarmingClient) -> None:
        ends = {made(member, endsAt=f"20{n}-01-01T00:00:00Z")["id"]: n for n in (35, 33, 34)}

        def page(query: str) -> list[int]:
            return [ends[one["id"]] for one in member.fetch(f"/silences?{query}")]

        last = next(ident for ident, n in ends.items() if n == 34)
        assert (page("limit=2"), page(f"limit=2&marker={last}")) == ([35, 34], [33])
        assert page(f"sort=endsAt:asc&limit=1&state=active&marker={last}") == [35]
        fault_of(member.ask("GET", "/silences?sort=comment"), 400)
        fault_of(member.ask("GET", f"/silences?marker={MISSING}"), 400)

    def test_filters_are_alertmanagers(self, member: AlarmingClient) -> None:
        made(member, matchers=[matcher("name", "a"), matcher("severity", "low")])
        made(member, matchers=[matcher("name", "b")])

        def found(*filters: str) -> int:
            return len(member.fetch("/silences?" + "&".join(f"filter={quote(f)}" for f in filters)))

        assert (found(), found('name="a"'), found("name!=a")) == (2, 1, 1)
        assert (found("name=a", "severity=low"), found("name=b", "severity=low")) == (1, 0)
        fault_of(member.ask("GET", "/silences?filter=name=~a"), 400)
        fault_of(member.ask("GET", "/silences?state=over"), 400)
        fault_of(member.ask("GET", "/silences?x=y"), 400)

    def test_other_projects_have_their_own(
        self, member: AlarmingClient, stranger: AlarmingClient, admin: AlarmingClient
    ) -> None:
        silence = made(member)
        assert stranger.fetch("/silences") == []
        for ident in (silence["id"], MISSING, "x"):
            assert "Silence ID not found" in fault_of(
                stranger.ask("GET", f"/silences/{ident}"), 404
            )
            fault_of(stranger.ask("DELETE", f"/silences/{ident}"), 404)
            fault_of(stranger.ask("POST", "/silences", asked() | {"id": ident}), 404)
        assert len(admin.fetch("/silences")) == 1
        assert Silence.objects.get().state == "active"

    def test_readers_only_read(self, member: AlarmingClient, reader: AlarmingClient) -> None:
        silence = made(member)
        assert len(reader.fetch("/silences")) == 1
        fault_of(reader.ask("POST", "/silences", asked()), 403)
        fault_of(reader.ask("DELETE", f"/silences/{silence['id']}"), 403)

    def test_a_change_answers_200_and_another_silence_201(self, member: AlarmingClient) -> None:
        silence = made(member)
        assert made(member, 200, id=silence["id"], comment="longer")["id"] == silence["id"]
        assert made(member, 201, id=silence["id"], matchers=[matcher("name", "b")])

    def test_what_is_wrong_is_said(self, member: AlarmingClient) -> None:
        answer = member.ask("POST", "/silences", asked(matcher(value="(", isRegex=True)))
        assert "matchers[0].value: is no regular expression" in fault_of(answer, 400)
        assert "createdBy: is required" in fault_of(
            member.ask("POST", "/silences", asked() | {"createdBy": ""}), 400
        )

    @pytest.mark.parametrize(
        ("starts", "ends", "words"),
        [
            ("2030-01-01T12:00:00Z", "2030-01-01T12:00:00Z", "endsAt: must be later than startsAt"),
            ("2030-01-02T12:00:00Z", "2030-01-01T12:00:00Z", "endsAt: must be later than startsAt"),
            ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "endsAt: is over already"),
            ("2030-01-01T12:00:00Z", "9999-12-31T23:59:59-01:00", "is not in 1970…9999"),
            ("9999-01-01T12:00:00Z", "9999-01-02T12:00:00Z", "is not in 1970…2200"),
        ],
    )
    def test_one_that_never_is_is_refused(
        self, member: AlarmingClient, starts: str, ends: str, words: str
    ) -> None:
        answer = member.ask("POST", "/silences", asked() | {"startsAt": starts, "endsAt": ends})
        assert words in fault_of(answer, 400)

    @pytest.mark.parametrize("ends", ["9999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    def test_one_for_ever_can_be_made_shown_and_ended(
        self, member: AlarmingClient, ends: str
    ) -> None:
        silence = made(member, endsAt=ends)
        assert silence["endsAt"] == ends
        assert member.fetch("/silences?state=active") == [
            member.fetch(f"/silences/{silence['id']}")
        ]
        assert member.ask("DELETE", f"/silences/{silence['id']}").status_code == 204

    def test_one_of_older_rules_can_be_ended_and_not_be_changed(
        self, member: AlarmingClient
    ) -> None:
        """Its matcher fits what is empty, as nobody may write it any more."""
        silence = made(member)
        old = [matcher("name", "")]
        Silence.objects.update(matchers=old)
        assert member.fetch(f"/silences/{silence['id']}")["matchers"] == old
        answer = member.ask("POST", "/silences", asked() | {"id": silence["id"], "matchers": old})
        assert "matchers: fit everything" in fault_of(answer, 400)
        assert member.ask("DELETE", f"/silences/{silence['id']}").status_code == 204
        assert Silence.objects.get().state == "expired"

    def test_a_preview(self, member: AlarmingClient, stranger: AlarmingClient) -> None:
        alarm = member.make(name="web")
        stranger.make(name="web")
        body = {"matchers": [matcher("name", "w.*", isRegex=True)]}
        found = member.ask("POST", "/silences/preview", body).json()
        assert found["total"] == 1
        assert found["alarms"][0]["alarm_id"] == alarm["alarm_id"]


class TestAcknowledging:
    def firing(self, member: AlarmingClient) -> str:
        ident: str = member.make()["alarm_id"]
        lifecycle.set_state(Alarm.objects.get(pk=ident), "alarm", "u1")
        return f"/alarms/{ident}/ack"

    def test_made_shown_and_taken_back(self, member: AlarmingClient) -> None:
        path = self.firing(member)
        fault_of(member.ask("GET", path), 404)
        answer = member.ask("POST", path, {"comment": "seen"})
        assert answer.status_code == 200
        assert member.fetch(path) == answer.json()
        assert answer.json()["created_by"] == "u1"
        assert member.ask("DELETE", path).status_code == 204
        assert "not acknowledged" in fault_of(member.ask("DELETE", path), 409)

    def test_409_when_it_is_not_in_alarm(self, member: AlarmingClient) -> None:
        path = f"/alarms/{member.make()['alarm_id']}/ack"
        assert "insufficient data" in fault_of(member.ask("POST", path, {"comment": "x"}), 409)

    def test_who_may_not(
        self, member: AlarmingClient, reader: AlarmingClient, stranger: AlarmingClient
    ) -> None:
        path = self.firing(member)
        fault_of(reader.ask("POST", path, {"comment": "x"}), 403)
        fault_of(stranger.ask("POST", path, {"comment": "x"}), 404)
        assert "comment" in fault_of(member.ask("POST", path, {"until": "x"}), 400)
