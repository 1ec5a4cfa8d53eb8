from __future__ import annotations


class AlarmingError(Exception):
    """Root of the alarming system's errors."""


class DefinitionError(AlarmingError):
    """An alarm that nobody could evaluate. `field` names the place: ``rule.threshold``.

    `fault` is the sentence that aodh's clients know for it, whole; "" where there is none.
    """

    def __init__(self, field: str, detail: str, fault: str = "") -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.field = field
        self.detail = detail
        self.fault = fault


class QuotaError(AlarmingError):
    """A project or a user has as many alarms as it may have. `fault` as in `DefinitionError`."""

    def __init__(self, detail: str, fault: str = "") -> None:
        super().__init__(detail)
        self.fault = fault


class ChangedError(AlarmingError):
    """Somebody else has changed the alarm meanwhile."""


class StateError(AlarmingError):
    """What was asked for does not fit the state that the alarm is in."""


class TooOftenError(AlarmingError):
    """Messages were asked for too often; after `wait_s` seconds the next one is."""

    def __init__(self, detail: str, wait_s: int) -> None:
        super().__init__(detail)
        self.wait_s = wait_s


class ActionError(AlarmingError):
    """An action that nobody would take: `kind` is the class of the fault, as in an attempt's
    `error` (``scheme``, ``bad_url``, ``forbidden_address`` …), `detail` a sentence."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class TemplateError(AlarmingError):
    """A template that could not be expanded; `line` counts from 1, None: of no line alone."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {detail}" if line else detail)
        self.detail = detail
        self.line = line


#: What one alarm's rule may make of its evaluation, faults of our own included: it is noted on the
#: alarm, and the others go on (E6).
OF_ONE_ALARM = (
    AlarmingError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError,
)  # fmt: skip
