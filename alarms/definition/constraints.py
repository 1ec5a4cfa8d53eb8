"""Time constraints: when an alarm is evaluated at all (alarms.md 1.3, 2.10)."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from alarms.cron import CronError, parse_cron
from alarms.definition.fields import Name
from alarms.errors import DefinitionError
from meters.api.names import unstorable

MAX_CONSTRAINTS = 100
#: Ten years.
MAX_DURATION_S = 315_360_000


class TimeConstraint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Open for `duration` seconds from each time of the cron expression `start` in `timezone` on;
    "" is UTC."""

    name: Name
    description: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    start: str
    duration: Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION_S)]
    timezone: str = ""

    def check(self, where: str) -> None:
        try:
            parse_cron(self.start)
        except CronError as error:
            fault = f"Invalid input for field/attribute start. Value: '{self.start}'. {error}"
            raise DefinitionError(f"{where}.start", str(error), fault) from error
        if self.timezone and self.timezone not in known_zones():
            fault = f"Timezone {self.timezone} is not valid"
            raise DefinitionError(f"{where}.timezone", "is no known time zone", fault)
        for name in ("name", "description"):
            if flaw := unstorable(getattr(self, name)):
                raise DefinitionError(f"{where}.{name}", flaw)

    def described(self) -> dict[str, Any]:
        """As it is stored and shown: with a description."""
        text = f"Time constraint at {self.start} lasting for {self.duration} seconds"
        whole: dict[str, Any] = msgspec.to_builtins(self)
        return whole | {"description": self.description or text}


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def parse_constraints(value: Any, name: str = "time_constraints") -> list[TimeConstraint]:
    """Raises `DefinitionError`. None is none."""
    given = [] if value is None else value
    if not isinstance(given, list):
        raise DefinitionError(name, "must be a list of time constraints")
    if len(given) > MAX_CONSTRAINTS:
        raise DefinitionError(name, f"has more than {MAX_CONSTRAINTS} time constraints")
    found = [_parse(one, f"{name}[{place}]") for place, one in enumerate(given)]
    if len({one.name for one in found}) < len(found):
        text = "Time constraint names must be unique for a given alarm."
        raise DefinitionError(name, text, text)
    return found


def _parse(value: Any, where: str) -> TimeConstraint:
    try:
        constraint = msgspec.convert(value, TimeConstraint)
    except msgspec.ValidationError as error:
        raise DefinitionError(where, str(error)) from error
    constraint.check(where)
    return constraint
