"""What a target can make of a delivery."""

from __future__ import annotations

from pollers.errors import PollersError


class TargetError(PollersError):
    """A target that can't be used as it is written; the text is a sentence without secrets."""


class Unreachable(PollersError):
    """Nothing of the delivery counts; the same is to be tried again later."""


class Refused(PollersError):
    """The target is there and will never take this delivery."""
