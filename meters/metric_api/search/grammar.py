"""The notation of searches as a text: ``type = instance and not (vcpus > 4 or host in [a, b])``."""

from __future__ import annotations

import re
from typing import Any

from meters.metric_api.errors import ApiError, bad_request
from meters.metric_api.search.schema import MAX_DEPTH
from meters.operations.text import expectation

MAX_LENGTH = 65_536
_TERM = re.compile(
    r"""(?P<null>(?:None|none|null)(?![a-zA-Z0-9_]))
    | (?P<truth>(?:True|False|true|false)(?![a-zA-Z0-9_]))
    | (?P<name>[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![a-zA-Z0-9_])
             | [a-zA-Z][a-zA-Z0-9_]*)
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
    | "(?P<double>[^"]*)" | '(?P<single>[^']*)'""",
    re.VERBOSE,
)
_OPERATOR = re.compile(r">=|<=|!=|[><=≠≥≤]|eq|ne|lt|gt|le|ge|in|like")
_NOT = re.compile(r"not(?![a-zA-Z0-9_])")
#: The loosest first.
_JOINTS = [re.compile(joint) for joint in ("∨", "or", "∧", "and")]
_BLANKS = re.compile(r"\s*")
_SIGNS = {sign: re.compile(re.escape(sign)) for sign in "()[],"}


def parse_filter(text: str) -> dict[str, Any]:
    """The JSON search that the text stands for. Raises `ApiError`."""
    if len(text) > MAX_LENGTH:
        raise bad_request(f"Invalid filter: Expected at most {MAX_LENGTH} characters")
    return _Reader(text).read()


class _Reader:
    """Goes through the text; `at` is where the next word begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._skip(0)

    def read(self) -> dict[str, Any]:
        search = self._joined(0, 1)
        if self.at < len(self.text):
            raise self._expected("end of text")
        return search

    def _joined(self, level: int, depth: int) -> dict[str, Any]:
        if level == len(_JOINTS):
            return self._single(depth)
        joint = _JOINTS[level]
        found = [self._joined(level + 1, depth)]
        while self._take(joint):
            found.append(self._joined(level + 1, depth))
        return found[0] if len(found) == 1 else {joint.pattern: found}

    def _single(self, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise self._expected(f"at most {MAX_DEPTH} levels")
        if self._take(_NOT):
            return {"not": self._single(depth + 1)}
        if not self._take(_SIGNS["("]):
            return self._condition()
        search = self._joined(0, depth + 1)
        self._need(_SIGNS[")"], "')'")
        return search

    def _condition(self) -> dict[str, Any]:
        start = self.at
        name = self._term("attribute")
        if not isinstance(name, str):
            self.at = start
            raise self._expected("attribute")
        operator = self._need(_OPERATOR, "operator")[0]
        return {operator: {name: self._operand()}}

    def _operand(self) -> Any:
        if not self._take(_SIGNS["["]):
            return self._term("value or '['")
        found: list[Any] = []
        if self._take(_SIGNS["]"]):
            return found
        found.append(self._term("value"))
        while self._take(_SIGNS[","]):
            found.append(self._term("value"))
        self._need(_SIGNS["]"], "',' or ']'")
        return found

    def _term(self, what: str) -> Any:
        match = self._need(_TERM, what)
        term = match[match.lastgroup or 0]
        match match.lastgroup:
            case "null":
                return None
            case "truth":
                return term.lower() == "true"
            case "number":
                return float(term)
            case _:
                return term

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What comes next if it is this, and the blanks after it."""
        match = pattern.match(self.text, self.at)
        if match:
            self._skip(match.end())
        return match

    def _skip(self, at: int) -> None:
        blanks = _BLANKS.match(self.text, at)
        assert blanks is not None
        self.at = blanks.end()

    def _need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = self._take(pattern)
        if match is None:
            raise self._expected(what)
        return match

    def _expected(self, what: str) -> ApiError:
        return bad_request(f"Invalid filter: {expectation(what, self.text, self.at)}")
