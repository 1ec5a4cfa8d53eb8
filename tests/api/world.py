"""What is stored in the tests: p1's things, p2's things under the same names, and nobody's."""

from __future__ import annotations

from dataclasses import dataclass

from alarms import lifecycle, outbox
from alarms.models import Alarm, Inhibition, Notification, Receiver, Route, Silence
from alarms.muting import acks
from meters import wire
from meters.models import Event, Metric, Quarantine, Resource, Source
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.api.people import CANARY, P1, P2
from tests.support.alarms import group, make_alarm, threshold
from tests.support.batches import SECOND, batch_of, event, report, resource
from tests.support.muting import end, make_inhibition, make_silence, matcher
from tests.support.telling import make_receiver, make_route

MINUTE = 60 * SECOND
SECRET = "a-secret-of-p1"
HOOK = f"http://receiver.example:8080/{SECRET}"


@dataclass(frozen=True)
class World:
    """`now_us` is a whole minute, up to ten minutes ago; samples lie each minute before it."""

    now_us: int

    @property
    def vm(self) -> Resource:
        return Resource.objects.get(original_id="vm-1", creator="")

    @property
    def cpu(self) -> Metric:
        return Metric.objects.get(resource=self.vm, name="cpu")

    @property
    def foreign_vm(self) -> Resource:
        return Resource.objects.get(original_id="vm-1", creator=P2)

    @property
    def foreign_cpu(self) -> Metric:
        return Metric.objects.get(resource=self.foreign_vm, name="cpu")

    @property
    def event(self) -> Event:
        return Event.objects.get(message_id="event-of-p1-0")

    @property
    def foreign_event(self) -> Event:
        return Event.objects.get(message_id="event-of-p2-0")

    @property
    def alarm(self) -> Alarm:
        return Alarm.objects.get(name="cpu high", project_id=P1)

    @property
    def foreign_alarm(self) -> Alarm:
        return Alarm.objects.get(project_id=P2)

    @property
    def notification(self) -> Notification:
        """A test message that waits; its URL holds `SECRET`."""
        return Notification.objects.get(project_id=P1)

    @property
    def foreign_notification(self) -> Notification:
        return Notification.objects.get(project_id=P2)

    @property
    def silence(self) -> Silence:
        return Silence.objects.get(project_id=P1, ended_by="")

    @property
    def inhibition(self) -> Inhibition:
        return Inhibition.objects.get(project_id=P1)

    @property
    def receiver(self) -> Receiver:
        return Receiver.objects.get(project_id=P1)

    @property
    def route(self) -> Route:
        return Route.objects.get(project_id=P1)

    @property
    def source(self) -> Source:
        return Source.objects.get()

    @property
    def quarantined(self) -> Quarantine:
        return Quarantine.objects.get()


def make_world() -> World:
    now = now_us() // MINUTE * MINUTE - MINUTE
    mine = resource("vm-1", project_id=P1, metadata={"display_name": "web", "vcpus": 2, "on": True})
    other = resource("vm-2", project_id=P1, type="volume", metadata={"flavor": {"name": "tiny"}})
    orphan = resource("host-1", project_id=None, user_id=None, type="host", metadata={})
    samples = [(mine, "cpu", float(age), now - age * MINUTE) for age in range(10)]
    samples += [(other, "cpu", 100.0, now), (other, "disk.size", 3.0, now - 5 * MINUTE)]
    samples += [(orphan, "cpu", 7.0, now)]
    reject = wire.Reject("schema", "no volume", b'{"a": 1}', source="queue")
    store_batch(
        batch_of(
            *samples,
            reports=[report()],
            events=[_event(P1, place, now) for place in range(3)],
            rejects=[reject],
        )
    )
    theirs = resource(
        "vm-1", project_id=P2, user_id=f"{CANARY}-user", type=f"{CANARY}-type",
        source=f"{CANARY}-source", metadata={"display_name": f"{CANARY}-name"},
    )  # fmt: skip
    foreign = [(theirs, "cpu", 55.0, now), (theirs, f"{CANARY}-meter", 1.0, now)]
    store_batch(batch_of(*foreign, events=[_event(P2, place, now) for place in range(2)]), P2)
    _make_alarms()
    return World(now)


def _make_alarms() -> None:
    """Each project has one of the same name that was tested; p1 one more, and one that is gone."""
    mine = make_alarm(alarm_actions=[HOOK], ok_actions=["log:"], severity="critical")
    make_alarm(group('{"like": {"display_name": "web%"}}'), name="all webs", enabled=False)
    lifecycle.set_state(mine, "alarm", "u1")
    gone = make_alarm(name="gone")
    lifecycle.delete(gone, "u1")
    theirs = make_alarm(
        threshold(resource_type=f"{CANARY}-type"), P2, description=f"{CANARY}-description",
        alarm_actions=[f"http://receiver.example/{CANARY}"],
    )  # fmt: skip
    lifecycle.set_state(theirs, "ok", f"{CANARY}-user")
    known = acks.Asked("being looked at", None)
    mine.refresh_from_db()
    acks.acknowledge(mine, known, "u1", "ada")
    make_silence(matcher("severity", "critical"))
    end(make_silence(matcher("metric", "c.u", isRegex=True)))
    make_silence(matcher("name", f"{CANARY}-alarm"), project_id=P2)
    make_inhibition(matcher("name", "power"), matcher("name", "light"))
    make_inhibition(matcher("name", "power"), matcher("name", CANARY), project_id=P2)
    make_receiver(project_id=P1)
    make_receiver(CANARY, project_id=P2)
    make_route(project_id=P1)
    make_route(project_id=P2, match={"name": CANARY})
    outbox.send_test(mine, "alarm", "u1")
    outbox.send_test(theirs, "alarm", f"{CANARY}-user")


def _event(project: str, place: int, now: int) -> wire.Event:
    canary = CANARY if project == P2 else "mine"
    return event(
        f"event-of-{project}-{place}",
        wire.Trait("project_id", "text", project),
        wire.Trait("name", "text", f"{canary}-trait"),
        wire.Trait("size", "int", place),
        wire.Trait("load", "float", place + 0.5),
        wire.Trait("launched_at", "datetime", now - place * MINUTE),
        event_type=f"{'volume' if place else 'compute.instance'}.create.end",
        generated=now - place * MINUTE,
    )
