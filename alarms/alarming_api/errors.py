"""What the alarming API says of alarms' own errors, in the one shape of `meters.wsme.errors`."""

from __future__ import annotations

from alarms.errors import (
    ActionError,
    ChangedError,
    DefinitionError,
    QuotaError,
    StateError,
    TooOftenError,
)
from alarms.models import Alarm
from meters.wsme import errors as shared
from meters.wsme.errors import Fault, bad
from telemetry_site.auth.keystone import KeystoneError
from telemetry_site.auth.trusts import TrustRefusedError

NO_ALARM = "Alarm ID not found"


def not_found() -> Fault:
    return Fault(404, NO_ALARM)


def translate(exc: Exception) -> Fault | None:
    """What a view's exception says to the client; None of a bug."""
    match exc:
        case DefinitionError():
            return bad(exc.fault or str(exc))
        case QuotaError():
            return Fault(403, exc.fault or str(exc))
        case ChangedError() | StateError():
            return Fault(409, str(exc))
        case TooOftenError():
            return Fault(429, str(exc), {"Retry-After": str(exc.wait_s)})
        case ActionError():
            return bad(str(exc))
        case TrustRefusedError():
            return bad(str(exc))
        case KeystoneError():
            return Fault(503, str(exc))
        case Alarm.DoesNotExist():
            return not_found()
    return shared.translate(exc)
