"""From a mapping of YAML to a `Pollster`. Every fault has its line."""

from __future__ import annotations

import re
from typing import Any, cast

from meters import wire
from pollers.pollsters.definition import (
    DEEPEST,
    DEFAULT_CACHE_S,
    DEFAULT_TIMEOUT_S,
    Ids,
    Pollster,
    Request,
    Values,
)
from pollers.pollsters.discoveries import is_found
from pollers.pollsters.extraction import Extraction
from pollers.pollsters.handlers import HANDLERS
from pollers.pollsters.keys import Keys
from telemetry_site.yamlfile import DefinitionError, Mapping

NAME = re.compile(r"^([\w-]+)(\.[\w-]+)*(\.{[\w-]+})?$")
_MULTI = re.compile(r"^\[([^\[\]]+)\]\.(.+)$", re.DOTALL)
NAMESPACES = ("central", "compute", "ipmi")
METHODS = ("GET", "HEAD")
LONGEST_TIMEOUT_S = 3600
LONGEST_CACHE_S = 30 * 86400
_IDS = {"resource": "id", "project": "project_id", "user": "user_id"}


def read_pollster(
    written: object, place: str, parent: Pollster | None = None, depth: int = 0
) -> Pollster:
    """`depth` counts those that a nested one hangs in.

    Raises `DefinitionError` with the line of what is wrong.
    """
    if not isinstance(written, Mapping):
        raise DefinitionError(f"{written!r:.80} is no pollster, which is a mapping")
    if depth > DEEPEST:
        raise DefinitionError(f"nested more than {DEEPEST} deep", written.line)
    return _Reader(written, place, parent, depth).read()


class _Reader(Keys):
    """Reads one mapping, part by part."""

    def read(self) -> Pollster:
        self._check_keys()
        name = self._required("name")
        if not NAME.fullmatch(name):
            raise self._fault("name", f"{name!r} does not match {NAME.pattern}")
        list_field, name_field, value = self._value(name)
        base = Pollster(
            name=name,
            place=f"{self.place}:{self.written.line}",
            sample_type=self._sample_type(),
            unit=self._inherited("unit"),
            unit_way=self._extraction("unit_attribute"),
            value=value,
            list_field=list_field,
            name_field=name_field,
            request=self._request(),
            namespaces=self._namespaces(),
            entries=self._extraction("response_entries_key"),
            ids=Ids(**{key: self._id(key, default) for key, default in _IDS.items()}),
            values=self._values(),
            metadata_fields=self._metadata_fields(),
            metadata_mapping={
                str(old): str(new) for old, new in self.written.get("metadata_mapping", {}).items()
            },
            preserve_mapped_metadata=self.written.get("preserve_mapped_metadata", True),
            base_metadata=dict(self.written.get("base_metadata") or {}),
            nested_cache_s=self._seconds(
                "extra_metadata_fields_cache_seconds", DEFAULT_CACHE_S, LONGEST_CACHE_S, "0"
            ),
            nested_skip=self._skip_rules(),
            resource_type=self.written.get("resource_type", "generic"),
        )
        return self._with_nested(base)

    # --- parts -------------------------------------------------------------------------------
    def _value(self, name: str) -> tuple[Extraction | None, str, Extraction]:
        """(list of a multi-metric, its key with the name, the way to the value)."""
        key = "value" if "value" in self.written else "value_attribute"
        text = self.written.get(key)
        if text is None:
            if self.parent is None:
                raise self._fault("name", "value_attribute is missing")
            return None, "", self.parent.value
        if not name.endswith("}"):
            return None, "", self._extraction_of(key, text)
        found = _MULTI.fullmatch(text)
        if not found:
            raise self._fault(key, f"{name} needs a value_attribute like [list].path")
        parts = (self._extraction_of(key, part) for part in found.groups())
        return next(parts), name.rpartition("{")[2].rstrip("}"), next(parts)

    def _sample_type(self) -> wire.SampleType:
        sample_type = self._inherited("sample_type")
        if sample_type not in wire.SAMPLE_TYPES:
            known = ", ".join(wire.SAMPLE_TYPES)
            raise self._fault("sample_type", f"{sample_type!r} is none of {known}")
        return cast(wire.SampleType, sample_type)

    def _namespaces(self) -> frozenset[str]:
        written = self.written.get("namespaces", "central")
        names = [written] if isinstance(written, str) else written
        for name in names:
            if name not in NAMESPACES:
                raise self._fault("namespaces", f"there is no namespace {name!r}")
        return frozenset(names)

    def _request(self) -> Request:
        command = self.written.get("host_command")
        key = "host_command" if command is not None else "url_path"
        text = self._required(key)
        endpoint_type = self.written.get("endpoint_type", "")
        if command is None and not endpoint_type and not self._is_absolute(text):
            raise self._fault(
                key, "endpoint_type is missing: without it url_path is a whole http or https URL"
            )
        if ("module" in self.written) != ("authentication_object" in self.written):
            raise self._fault("module", "module and authentication_object belong together")
        method = self.written.get("method", "GET").upper()
        if method not in METHODS:
            raise self._fault("method", f"method must be {' or '.join(METHODS)}")
        return Request(
            path=self._text(key, text),
            command=command is not None,
            endpoint_type=endpoint_type,
            method=method,
            headers=self._headers(),
            timeout_s=self._seconds("timeout", DEFAULT_TIMEOUT_S, LONGEST_TIMEOUT_S),
            handlers=self._handlers(),
            next_page=self._extraction("next_sample_url_attribute"),
            next_page_text=self.written.get("next_sample_url_attribute", ""),
            discovery=self._discovery(),
            optional=self.written.get("optional", False),
            module=self.written.get("module", ""),
            authentication_object=self.written.get("authentication_object", ""),
            authentication_parameters=self.written.get("authentication_parameters", ""),
            barbican_secret_id=self.written.get("barbican_secret_id", ""),
        )

    def _discovery(self) -> str:
        name = str(self.written.get("discovery", ""))
        if name and not is_found(name):
            raise self._fault("discovery", f"there is no discovery {name!r}")
        return name

    def _is_absolute(self, text: str) -> bool:
        return "http://" in text or "https://" in text

    def _headers(self) -> tuple[tuple[str, str], ...]:
        written = self.written.get("headers") or {}
        maps = [written] if isinstance(written, dict) else written
        if not all(isinstance(one, dict) for one in maps):
            raise self._fault("headers", "headers must be a mapping")
        return tuple((str(name), str(value)) for one in maps for name, value in one.items())

    def _handlers(self) -> tuple[str, ...]:
        written = self.written.get("response_handlers") or ["json"]
        for name in written:
            if not isinstance(name, str) or name not in HANDLERS:
                known = ", ".join(HANDLERS)
                raise self._fault("response_handlers", f"{name!r} is none of {known}")
        return tuple(written)

    def _values(self) -> Values:
        inherited = self.parent.values.skip if self.parent else ()
        return Values(
            skip=tuple(self.written.get("skip_sample_values", inherited)),
            mapping=dict(self.written.get("value_mapping") or {}),
            default=self.written.get("default_value", -1),
        )

    def _metadata_fields(self) -> tuple[Extraction, ...]:
        written = self.written.get("metadata_fields") or []
        fields = [written] if isinstance(written, str) else written
        return tuple(self._extraction_of("metadata_fields", one) for one in fields)

    def _id(self, which: str, default: str) -> Extraction | None:
        """The default name and an empty text leave the entry as it is."""
        text = self.written.get(f"{which}_id_attribute", default)
        return None if text in ("", default) else self._extraction_of(f"{which}_id_attribute", text)

    def _skip_rules(self) -> tuple[dict[str, Any], ...]:
        written = self.written.get("extra_metadata_fields_skip") or []
        rules = [written] if isinstance(written, dict) else written
        if not all(isinstance(rule, dict) for rule in rules):
            raise self._fault("extra_metadata_fields_skip", "each rule must be a mapping")
        return tuple(dict(rule) for rule in rules if rule)

    def _with_nested(self, pollster: Pollster) -> Pollster:
        written = self.written.get("extra_metadata_fields") or []
        parts = [written] if isinstance(written, dict) else written
        nested = tuple(read_pollster(part, self.place, pollster, self.depth + 1) for part in parts)
        return Pollster(**{**vars(pollster), "nested": nested})
