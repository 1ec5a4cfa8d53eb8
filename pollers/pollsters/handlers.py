"""From the text of an answer to plain data: `response_handlers`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import requests.structures

from pollers.errors import SourceError

DEEPEST_XML = 200


class UnreadableError(SourceError):
    """No handler understands the answer."""


Headers = requests.structures.CaseInsensitiveDict[str]


def _json(text: str, _: Headers) -> Any:
    return json.loads(text)


def _xml(text: str, _: Headers) -> Any:
    """Elements as mappings: attributes `@name`, text `#text`, a repeated element a list."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document with its own entities")
    root = ElementTree.fromstring(text)
    return {root.tag: _element(root, DEEPEST_XML)}


def _element(element: Element, depth: int) -> Any:
    if not depth:
        raise ValueError("nested too deep")
    made: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        value = _element(child, depth - 1)
        if child.tag not in made:
            made[child.tag] = value
        elif isinstance(made[child.tag], list):
            made[child.tag].append(value)
        else:
            made[child.tag] = [made[child.tag], value]
    text = (element.text or "").strip()
    if not made:
        return text or None
    if text:
        made["#text"] = text
    return made


def _text(text: str, _: Headers) -> Any:
    return [{"out": text}]


def _blocks(text: str, _: Headers) -> Any:
    """Blocks of lines ``key : value``, which an empty line divides, as ipmitool writes them."""
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            blocks[-1][key.strip()] = value.strip()
        elif not line.strip() and blocks[-1]:
            blocks.append({})
    return [block for block in blocks if block]


def _headers(_: str, headers: Headers) -> Any:
    return [{name.lower(): value for name, value in headers.items()}]


#: The last two are ours: what a HEAD request answers, and what ipmitool does.
HANDLERS: dict[str, Callable[[str, Headers], Any]] = {
    "json": _json, "xml": _xml, "text": _text, "headers": _headers, "blocks": _blocks,
}  # fmt: skip


def parse_answer(handlers: Iterable[str], text: str, headers: Headers) -> Any:
    """What the first handler makes of it that can. Raises `UnreadableError` with its head."""
    names = list(handlers)
    for name in names:
        try:
            return HANDLERS[name](text, headers)
        except (ValueError, ElementTree.ParseError, RecursionError):
            continue
    raise UnreadableError(f"the answer is no {' or '.join(names)}: {text[:200]!r}")
