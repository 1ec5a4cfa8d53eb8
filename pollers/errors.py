"""The root of what the agents raise."""


class PollersError(Exception):
    """The text is complete in itself and holds no secret."""


class SourceError(PollersError):
    """A source gave nothing at all; the text is a sentence for the sources page."""
