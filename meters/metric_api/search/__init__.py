"""Searching resources (metric-api.md 15).

1. `reading` takes the search from a request, as JSON or in the notation of `grammar`.
2. `schema` checks its form and makes UUIDs of the ids in it.
3. `conditions` makes a condition of the database of it, out of the comparisons that `operands`
   knows for each attribute.

What is wrong with a search is always an `ApiError`.
"""

from meters.metric_api.search.conditions import condition, condition_of_revisions
from meters.metric_api.search.reading import body_or_filter, read_search

__all__ = ["body_or_filter", "condition", "condition_of_revisions", "read_search"]
