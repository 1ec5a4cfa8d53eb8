"""Logs of every process: one line an event, text or JSON, and never a secret in them (S23)."""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import Processor

from telemetry_site.outages import Outages

REDACTED = "[redacted]"
_SECRET_WORDS = "password|passwd|token|secret|authorization|cookie|signature|api_?key|private_?key"
_SECRET_KEY = re.compile(rf"({_SECRET_WORDS})", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHAPES = (
    # user:password@ in any URL; greedy to the last @, since a password may hold one.
    (re.compile(r"(?<=://)[^\s\"'<>/]*[^\s\"'<>]*@"), f"{REDACTED}@"),
    # Fernet tokens (Keystone's) and our own.
    (re.compile(r"gAAAA[\w=-]{16,}"), REDACTED),
    (re.compile(r"tlm_[\w-]{16,}"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    # "password": "…" in JSON or in a dict's repr, also with the quotes escaped once or more:
    # the value ends at the first quote that carries the same number of backslashes as the first.
    (
        re.compile(
            rf"""(?ix)((?:{_SECRET_WORDS})[\w-]*(?P<esc>\\*)(?P<quote>["'])\s*[:=]\s*)
            (?:b|u)?(?P=esc)(?P<open>["']) .*? (?<!\\)(?P=esc)(?P=open)(?=\s*(?:[,}}\])\\]|$))""",
            re.DOTALL,
        ),
        rf"\1{REDACTED}",
    ),
    # password=…, token: … in plain text and in query strings.
    (
        re.compile(
            rf"""(?ix)\b((?:[\w-]*[_-])?(?:{_SECRET_WORDS})[\w-]*\s*[=:]\s*)
            (?!\[redacted\]) (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s&;,"'<>]+ )"""
        ),
        rf"\1{REDACTED}",
    ),
)


#: Each of the shapes holds one of these; most texts hold none, and six searches take 10 µs.
_HINTS = (
    "://", "gaaaa", "tlm_", "bearer", "basic",
    *(word.rpartition("?")[2] for word in _SECRET_WORDS.split("|")),
)  # fmt: skip


def _may_hold_a_secret(text: str) -> bool:
    folded = text.casefold()
    return any(hint in folded for hint in _HINTS)


def redact_text(text: str) -> str:
    """The text without what looks like a secret."""
    if not _may_hold_a_secret(text):
        return text
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(1000)
def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEY.search(key))


def redact(value: Any, key: str = "") -> Any:
    """The value without secrets, at any depth; a secret's key condemns the whole value."""
    if _is_secret(key) and not isinstance(value, bool | int | float):
        return value if value in ("", None) else REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {name: redact(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    return value


def _is_harmless(event: Mapping[str, Any]) -> bool:
    """Whether it is clear at one look that there is nothing to hide, as in most lines."""
    texts = []
    for key, value in event.items():
        if isinstance(value, str):
            texts.append(value)
        elif value is not None and not isinstance(value, int | float):
            return False
        if _is_secret(key):
            return False
    return not _may_hold_a_secret("\n".join(texts))


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Last but one processor: everything is text or plain data here, tracebacks too."""
    if _is_harmless(event):
        return event
    for key in list(event):
        if key.startswith("_"):
            continue
        value = event[key]
        plain = isinstance(value, str | bytes | int | float | Mapping | list | tuple | set | None)
        event[key] = redact(value if plain else repr(value), key)
    return event


def _one_line(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """No line break or control character in the event's text: nobody forges a line (S23)."""
    text = str(event.get("event", ""))
    event["event"] = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return event


def _drop_probes(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """No line for a probe that went well."""
    probes = ("/metrics", "/-/healthy", "/-/ready", "/healthcheck")
    if event.get("event") == "request_finished" and event.get("request", "").endswith(probes):
        raise structlog.DropEvent
    return event


def _lost_worker(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Celery's word of a killed child: the traceback beside it shows the pool's own lines only."""
    if "WorkerLostError(" in str(event.get("event", "")):
        event.pop("exc_info", None)
    return event


def _processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _lost_worker,
        structlog.processors.format_exc_info,
    ]


def configure(form: str, level: str, colors: bool | None = None) -> None:
    """Send structlog's and the standard library's logs to stderr. `form` is text or json."""
    if colors is None:
        colors = sys.stderr.isatty()
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            _drop_probes,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(_standard_library(renderer, level))
    logging.captureWarnings(True)


def _standard_library(renderer: Processor, level: str) -> dict[str, Any]:
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "ours": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _one_line,
                    _redact_event,
                    renderer,
                ],
                "foreign_pre_chain": _processors(),
            }
        },
        "filters": {"outages": {"()": Outages}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "ours",
                "filters": ["outages"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "amqp": quiet,
            "kombu": quiet,
            # Our consumers say in their own words that a broker is away.
            "kombu.mixins": {"level": "ERROR"},
            # Celery names every task twice at INFO: at ten polls a second that is all one sees.
            "celery.app.trace": quiet,
            "celery.worker.strategy": quiet,
            "celery.beat": quiet,
            "django_celery_beat": quiet,
        },
    }
