"""From context to answer: the frame's own needs, parts for htmx, pages of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from meters.paging import BoundedPaginator
from meters.ui import query
from meters.ui.access import PageRequest
from meters.ui.status import Installation, look
from telemetry_site.clock import now

PAGE_SIZE = 50


def show(
    request: PageRequest,
    template: str,
    context: dict[str, Any],
    *,
    section: str,
    title: str,
    installation: Installation | None = None,
) -> HttpResponse:
    """A whole page, or only `<template>_part.html` when htmx asks for a refresh of it."""
    if request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request:
        return render(request, f"ui/{template}_part.html", context | {"now": now()})
    frame = {
        "now": now(),
        "section": section,
        "title": title,
        "principal": request.principal,
        "installation": installation or look(request.principal),
        "part": f"ui/{template}_part.html",
    }
    return render(request, f"ui/{template}.html", frame | context)


def show_form(
    request: PageRequest, template: str, context: dict[str, Any], *, section: str, title: str
) -> HttpResponse:
    """As `show`, of a page with a form: 422 where `context["errors"]` has any."""
    response = show(request, template, context, section=section, title=title)
    response.status_code = 422 if context["errors"] else 200
    return response


@dataclass(frozen=True)
class Listing:
    """One page of a list, with the addresses of its neighbours (the filter stays in the URL).

    `is_cut`: there are more rows than `total`, and those have no page.
    """

    page: Page[Any]
    is_cut: bool
    newer: str
    older: str

    @property
    def total(self) -> int:
        return self.page.paginator.count


def listing(request: HttpRequest, rows: QuerySet[Any, Any], size: int = PAGE_SIZE) -> Listing:
    asked = query.text(request, "page", "1")
    if not (asked.isascii() and asked.isdigit() and 0 < int(asked) <= 1_000_000):
        raise BadRequest(f"page: {asked!r} is not a number from 1 on")
    paginator = BoundedPaginator(rows, size)
    page = paginator.get_page(int(asked))
    return Listing(
        page=page,
        is_cut=paginator.is_cut,
        newer=with_page(request, page.previous_page_number()) if page.has_previous() else "",
        older=with_page(request, page.next_page_number()) if page.has_next() else "",
    )


def with_page(request: HttpRequest, number: int) -> str:
    """The same address on another page; an empty value counts only beside others of its name."""
    kept = [
        (name, value)
        for name, values in request.GET.lists()
        if name != "page"
        for value in values
        if value or len(values) > 1
    ]
    return f"?{urlencode([*kept, ('page', number)])}"
