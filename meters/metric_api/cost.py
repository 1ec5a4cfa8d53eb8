"""What one question may cost. Past it, 400 with the limit and how to narrow the question.

What must be read of the store for it has limits of its own (`meters.archives`), and so has what is
computed at once (`meters.operations`).
"""

from __future__ import annotations

from meters.metric_api.errors import bad_request

#: Metrics times their aggregations.
MAX_SERIES = 10_000
MAX_GROUPS = 10_000
#: Rows of an answer, over all of its metrics, granularities and groups.
MAX_MEASURES = 1_000_000


def check_series(count: int) -> None:
    """Raises `ApiError`."""
    if count > MAX_SERIES:
        raise bad_request(
            f"The question means {count} series, at most {MAX_SERIES} can be computed at once: "
            "search for fewer resources, or name fewer metrics."
        )


def check_groups(count: int) -> None:
    """Raises `ApiError`."""
    if count > MAX_GROUPS:
        raise bad_request(
            f"The question makes {count} groups, at most {MAX_GROUPS} can be answered at once: "
            "group by fewer attributes, or search for fewer resources."
        )


class Tally:
    """Counts the measures of one answer."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, count: int) -> None:
        """Raises `ApiError`."""
        self._count += count
        if self._count > MAX_MEASURES:
            raise bad_request(
                f"The answer would have more than {MAX_MEASURES} measures: narrow start and stop, "
                "ask for a coarser granularity, or for fewer metrics."
            )
