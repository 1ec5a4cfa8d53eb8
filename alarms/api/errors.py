"""The alarming system's own errors in the native door's shape."""

from __future__ import annotations

from django.http import Http404

from alarms.errors import ChangedError, DefinitionError, QuotaError, StateError, TooOftenError
from alarms.models import Alarm, Receiver, Route
from meters.api.errors import (
    ConflictError,
    InvalidBodyError,
    OverloadError,
    QuotaExceededError,
)


def translate(exc: Exception) -> Exception:
    match exc:
        case DefinitionError():
            return InvalidBodyError(str(exc), [{"field": exc.field, "detail": exc.detail}])
        case QuotaError():
            return QuotaExceededError(str(exc))
        case ChangedError() | StateError():
            return ConflictError(str(exc))
        case TooOftenError():
            return OverloadError(str(exc), 429, exc.wait_s)
        case Alarm.DoesNotExist() | Receiver.DoesNotExist() | Route.DoesNotExist():
            return Http404()
    return exc
