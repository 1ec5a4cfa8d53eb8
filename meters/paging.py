"""Pages of a list whose rows are not all counted: that alone takes seconds of some millions."""

from __future__ import annotations

from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet

#: So far is counted, and so many rows have a page. Who looks for others narrows the list.
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Of the first `MOST_COUNTED` rows."""

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST_COUNTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are more."""
        return self._found > MOST_COUNTED

    @property
    def template_name(self) -> str:
        """What the admin shows below a list; "" is its own."""
        return "admin/bounded_pagination.html" if self.is_cut else ""

    @cached_property
    def _found(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: MOST_COUNTED + 1].count()
        return len(rows)
