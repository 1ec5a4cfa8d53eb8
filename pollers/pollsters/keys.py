"""The keys of a definition: what may stand there, and faults with their lines."""

from __future__ import annotations

import ast
from typing import Any

from pollers.pollsters.definition import Pollster, Text
from pollers.pollsters.extraction import Extraction
from telemetry_site.expressions import Expression
from telemetry_site.yamlfile import DefinitionError, Mapping

#: Beside `value`: what an expression of a top pollster may use, and one of a nested.
TOP_VARIABLES = frozenset({"resource", "endpoint"})
NESTED_VARIABLES = TOP_VARIABLES | {
    "sample", "extra_metadata_captured", "extra_metadata_by_name",
}  # fmt: skip
#: Keys of an entry, and what their values must be.
KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str, "sample_type": str, "unit": str, "unit_attribute": str,
    "value_attribute": str, "value": str,
    "endpoint_type": str, "url_path": str, "host_command": str, "namespaces": (str, list),
    "metadata_fields": (str, list), "metadata_mapping": dict, "preserve_mapped_metadata": bool,
    "skip_sample_values": list, "value_mapping": dict,
    "default_value": (str, int, float, bool, type(None)),
    "response_entries_key": str, "user_id_attribute": str, "project_id_attribute": str,
    "resource_id_attribute": str, "next_sample_url_attribute": str, "headers": (dict, list),
    "timeout": (int, float), "response_handlers": list, "extra_metadata_fields": (dict, list),
    "extra_metadata_fields_cache_seconds": (int, float),
    "extra_metadata_fields_skip": (dict, list), "base_metadata": dict, "module": str,
    "authentication_object": str, "authentication_parameters": str, "barbican_secret_id": str,
    "discovery": str, "method": str, "resource_type": str, "optional": bool,
}  # fmt: skip
_CALLED = {str: "text", list: "a list", dict: "a mapping", bool: "true or false",
           int: "a number", float: "a number", type(None): "nothing"}  # fmt: skip


class Keys:
    """One mapping; `parent` is the pollster that a nested one hangs in."""

    def __init__(self, written: Mapping, place: str, parent: Pollster | None, depth: int) -> None:
        self.written = written
        self.place = place
        self.parent = parent
        self.depth = depth
        base = written.get("base_metadata")
        own = {key for key in base if isinstance(key, str)} if isinstance(base, dict) else set()
        self.variables = (NESTED_VARIABLES if parent else TOP_VARIABLES) | own

    def _check_keys(self) -> None:
        for key, value in self.written.items():
            if key not in KEYS:
                raise self._fault(key, f"there is no key {key!r} of a pollster")
            kinds = KEYS[key]
            kinds = kinds if isinstance(kinds, tuple) else (kinds,)
            is_truth = isinstance(value, bool) and bool not in kinds
            if not isinstance(value, kinds) or is_truth:
                wanted = " or ".join(dict.fromkeys(_CALLED[kind] for kind in kinds))
                raise self._fault(key, f"{key} must be {wanted}")
        if "value" in self.written and "value_attribute" in self.written:
            raise self._fault("value", "value and value_attribute are the same; one must go")

    def _text(self, key: str, text: str) -> Text:
        """An expression where it has quotes as an expression has or one of the variables; a path
        like `list` or `v2/images` is taken literally.
        """
        try:
            expression = Expression(text, self.variables)
        except DefinitionError as error:
            if _has_quotes(text):
                raise self._fault(key, f"{key}: {error}") from error
            return Text(text)
        is_meant = _has_quotes(text) or expression.names & self.variables
        return Text(text, expression if is_meant else None)

    def _extraction(self, key: str) -> Extraction | None:
        text = self.written.get(key)
        return self._extraction_of(key, text) if text else None

    def _extraction_of(self, key: str, text: object) -> Extraction:
        try:
            return Extraction(text, self.variables)
        except DefinitionError as error:
            raise self._fault(key, f"{key}: {error}") from error

    def _required(self, key: str) -> str:
        if not self.written.get(key):
            raise self._fault(key, f"{key} is missing")
        return str(self.written[key])

    def _inherited(self, key: str) -> str:
        if self.parent is not None and key not in self.written:
            return str(getattr(self.parent, key))
        return self._required(key) if key != "unit" else str(self._present(key))

    def _present(self, key: str) -> Any:
        if key not in self.written:
            raise self._fault(key, f"{key} is missing")
        return self.written[key]

    def _seconds(self, key: str, default: float, most: int, least: str = "above 0") -> float:
        """`least` is "above 0", or "0" where that means something."""
        value = self.written.get(key, default)
        if not 0 <= value <= most or (value == 0 and least != "0"):
            raise self._fault(key, f"{key} must be {least} and at most {most} seconds")
        return float(value)

    def _fault(self, key: object, text: str) -> DefinitionError:
        return DefinitionError(text, self.written.line_of(key))


def _has_quotes(text: str) -> bool:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(tree)
    )
