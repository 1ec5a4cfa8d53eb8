"""One dynamic pollster, as a definition file describes it, checked and ready to be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meters import wire
from pollers.pollsters.extraction import Extraction
from telemetry_site.expressions import EvaluationError, Expression, Variables

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_CACHE_S = 3600.0
#: So deep nested pollsters may hang in each other.
DEEPEST = 8


@dataclass(frozen=True)
class Text:
    """A URL path or a command: as it is written, or an expression that makes it."""

    written: str = field(repr=False)
    expression: Expression | None = field(default=None, compare=False)

    def render(self, variables: Variables) -> str:
        """Raises `EvaluationError`."""
        if self.expression is None:
            return self.written
        made = self.expression.evaluate(variables)
        if not isinstance(made, str):
            raise EvaluationError(f"{self.written!r:.200} gives {type(made).__name__}, not text")
        return made


@dataclass(frozen=True)
class Request:
    """What is asked for. Pollsters with equal ones share its answers.

    `endpoint_type` is a service type of the catalogue; without one `path` is the whole URL, and
    with `command` it is a command line of the host.
    """

    path: Text
    command: bool = False
    endpoint_type: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    handlers: tuple[str, ...] = ("json",)
    next_page: Extraction | None = field(default=None, compare=False)
    next_page_text: str = ""
    discovery: str = ""
    #: 404 means that this cloud does not have it, and is no trouble.
    optional: bool = False
    module: str = ""
    authentication_object: str = ""
    authentication_parameters: str = field(default="", repr=False)
    barbican_secret_id: str = ""


@dataclass(frozen=True)
class Ids:
    """Where an entry says whose it is; None leaves what the entry has."""

    resource: Extraction | None = None
    project: Extraction | None = None
    user: Extraction | None = None


@dataclass(frozen=True)
class Values:
    """From the raw value to the number. `mapping` empty: the value is the number."""

    skip: tuple[Any, ...] = ()
    mapping: dict[Any, Any] = field(default_factory=dict)
    default: Any = -1


@dataclass(frozen=True)
class Pollster:
    """One definition. `place` is its file and line, for messages.

    `list_field` and `name_field` are those of a multi-metric one (`a.{name}`, `[list].value`).
    """

    name: str
    place: str
    sample_type: wire.SampleType
    unit: str
    value: Extraction
    request: Request
    #: Where an entry says its own unit.
    unit_way: Extraction | None = None
    namespaces: frozenset[str] = frozenset({"central"})
    entries: Extraction | None = None
    ids: Ids = field(default_factory=Ids)
    values: Values = field(default_factory=Values)
    list_field: Extraction | None = None
    name_field: str = ""
    metadata_fields: tuple[Extraction, ...] = ()
    metadata_mapping: dict[str, str] = field(default_factory=dict)
    preserve_mapped_metadata: bool = True
    base_metadata: dict[str, Any] = field(default_factory=dict)
    nested: tuple[Pollster, ...] = ()
    nested_cache_s: float = DEFAULT_CACHE_S
    nested_skip: tuple[dict[str, Any], ...] = ()
    resource_type: str = "generic"

    @property
    def stem(self) -> str:
        """The name without the part in braces."""
        return self.name.partition(".{")[0] if self.name_field else self.name
