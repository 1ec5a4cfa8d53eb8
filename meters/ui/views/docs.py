"""The documentation, served by the product itself: the Markdown files of `docs/`, with search.

Addresses mirror the files (`/docs/reference/api.md`), so links between them work here as they do
in the repository.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from markdown_it import MarkdownIt
from markdown_it.token import Token

from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import show
from telemetry_site import paths

ROOT: Path = paths.DATA / "docs"
FILES = {".png": "image/png", ".svg": "image/svg+xml", ".json": "application/json"}
#: HTML in a text stays text.
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


class Found(NamedTuple):
    """A page with the first of its lines that holds a word looked for."""

    name: str
    title: str
    line: str


@page
def docs(request: PageRequest, name: str = "README.md") -> HttpResponse:
    words = query.text(request, "q").casefold().split()
    path = (ROOT / name).resolve()
    if not path.is_relative_to(ROOT):
        raise Http404
    if path.is_dir():
        return _directory(request, name, path)
    if not path.is_file():
        raise Http404
    if path.suffix in FILES:
        return HttpResponse(path.read_bytes(), content_type=FILES[path.suffix])
    text = path.read_text() if path.suffix == ".md" else ""
    if not text:
        raise Http404
    html, title = rendered(text)
    context = {
        "html": html,
        "name": name,
        "q": " ".join(words),
        "found": search(words) if words else None,
    }
    return show(request, "docs", context, section="docs", title=title)


def _directory(request: PageRequest, name: str, path: Path) -> HttpResponse:
    """A folder is its README, or the list of its pages."""
    if not name.endswith("/"):
        return redirect(f"{request.path}/")
    lines = [f"- [{title_of(file.read_text())}]({file.name})" for file in sorted(path.glob("*.md"))]
    heading = name.strip("/").rsplit("/", 1)[-1].capitalize()
    html, title = rendered(f"# {heading}\n\n" + "\n".join(lines))
    return show(request, "docs", {"html": html, "name": name}, section="docs", title=title)


def rendered(text: str) -> tuple[str, str]:
    """(HTML, title); headings get ids to link to."""
    tokens = MARKDOWN.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", _slug(inline))
    html: str = MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})
    return html, title_of(text)


def title_of(text: str) -> str:
    return text.lstrip().split("\n", 1)[0].lstrip("# ") or "Documentation"


def _slug(heading: Token) -> str:
    words = re.findall(r"\w+", heading.content.lower())
    return "-".join(words)


def search(words: list[str]) -> list[Found]:
    """Pages that hold every word."""
    found = []
    for path in sorted(ROOT.rglob("*.md")):
        text = path.read_text()
        if all(word in text.casefold() for word in words):
            lines = [line for line in text.splitlines() if words[0] in line.casefold()]
            name = str(path.relative_to(ROOT))
            found.append(Found(name, title_of(text), lines[0].strip("# |-") if lines else ""))
    return found
