"""Texts for people (mail, chat): the house's own, or the alarm's template (alarms.md 8.2, item 13).

A template is Django's language without what could load, loop or grow: `if`, `firstof` and
`comment`, a closed list of filters, plain data for variables. Its price is bounded by its length.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import structlog
from django.conf import settings
from django.template import (
    Context,
    Engine,
    Library,
    Template,
    TemplateSyntaxError,
    defaultfilters,
    defaulttags,
)
from django.template.base import Variable, VariableNode
from django.urls import reverse

from alarms.errors import TemplateError
from alarms.models import Alarm
from alarms.notifier.message import Message
from meters.api.names import unstorable

log = structlog.get_logger(__name__)

LONGEST = 4096
#: Variables and tags in one template.
MOST_PARTS = 100
LONGEST_SUBJECT, LONGEST_BODY = 200, 20_000
MOST_DIGITS = 10
#: Alarms of one message that are told by name.
MOST_LINES = 100
PARTS = ("subject", "body")
_TAGS = ("if", "firstof", "comment", "verbatim", "templatetag")
_FILTERS = (
    "capfirst", "date", "default", "default_if_none", "first", "last", "length", "lower",
    "pluralize", "title", "truncatechars", "truncatewords", "upper", "yesno",
)  # fmt: skip
#: What a template may name.
PAYLOAD = ("alarm_name", "alarm_id", "severity", "previous", "current", "reason", "reason_data")
OF_ALARM = ("description", "type", "project_id", "user_id", "enabled", "state_timestamp")
NAMES = (*PAYLOAD, *OF_ALARM, "url", "is_test")

SUBJECT = "[{{ current }}] {{ alarm_name }}"
BODY = """{% if is_test %}Somebody asked for this message to try the way; the state is as it was.

{% endif %}Alarm "{{ alarm_name }}" went from {{ previous }} to {{ current }}.

{{ reason }}

Severity: {{ severity }}
Alarm:    {{ url }}
"""
#: Of several alarms at once.
ROUTE_BODY = """{% if is_test %}Somebody asked for this message to try the way; no state changed.

{% endif %}{{ alarm_name }}:

{{ reason }}

Alarms: {{ url }}
"""


class Written(NamedTuple):
    """`subject` is one line."""

    subject: str
    body: str


class _Sandbox(Engine):
    """Knows no libraries but ours, and finds no files."""

    default_builtins: ClassVar[list[str]] = []


@cache
def _engine() -> Engine:
    engine = _Sandbox(dirs=[], loaders=[], libraries={}, debug=False)
    library = Library()
    library.tags = {name: defaulttags.register.tags[name] for name in _TAGS}
    library.filters = {name: defaultfilters.register.filters[name] for name in _FILTERS}
    library.filter("floatformat", _floatformat)
    engine.template_builtins = [library]
    return engine


def _floatformat(value: Any, digits: Any = -1) -> str:
    """Django's, but for a thousand digits or more."""
    try:
        is_small = abs(int(digits)) <= MOST_DIGITS
    except (TypeError, ValueError):
        is_small = False
    if not is_small:
        raise TemplateSyntaxError(f"floatformat takes a number of at most {MOST_DIGITS} digits")
    return str(defaultfilters.floatformat(value, digits))


def check_template(text: str) -> None:
    """Raise `TemplateError` with the line unless `text` can be expanded at each send."""
    if not isinstance(text, str):
        raise TemplateError("must be a text")
    if len(text) > LONGEST:
        raise TemplateError(f"has {len(text)} characters, at most {LONGEST} are allowed")
    if flaw := unstorable(text):
        raise TemplateError(flaw)
    if text.count("{{") + text.count("{%") > MOST_PARTS:
        raise TemplateError(f"has more than {MOST_PARTS} variables and tags")
    template = _parsed(text)
    for node in template.nodelist.get_nodes_by_type(VariableNode):
        _check_name(node)
    try:
        template.render(Context(_example(), autoescape=False))
    except Exception as error:  # whatever a filter makes of what it is given
        raise TemplateError(f"cannot be expanded: {_words(error)}") from error


def _parsed(text: str) -> Template:
    try:
        return Template(text, engine=_engine())
    except TemplateSyntaxError as error:
        token = getattr(error, "token", None)
        raise TemplateError(_words(error), token.lineno if token else None) from error


def _check_name(node: Any) -> None:
    """A name that nobody fills would leave a hole in each message."""
    variable = node.filter_expression.var
    if isinstance(variable, Variable) and variable.lookups:
        name = variable.lookups[0]
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise TemplateError(f"names {name!r}; known are {known}", node.token.lineno)


def _words(error: Exception) -> str:
    return f"{error}".splitlines()[0][:300] if str(error) else type(error).__name__


def _example() -> dict[str, Any]:
    return {name: "" for name in NAMES} | {"reason_data": {}, "is_test": False, "enabled": True}


def written(message: Message) -> Written:
    """The message's texts. A template that fails is said below the house's own text."""
    values = _values(message)
    own = json.loads(message.template) if message.template else {}
    is_of_route = "alarms" in json.loads(message.body)
    usuals = {"subject": SUBJECT, "body": ROUTE_BODY if is_of_route else BODY}
    try:
        texts = [_expand(own.get(name) or usual, values) for name, usual in usuals.items()]
    except Exception as error:  # a template is a tenant's text: the message goes out all the same
        log.warning("template not expanded", alarm=str(message.alarm_id), error=_words(error))
        texts = [_expand(usual, values) for usual in usuals.values()]
        texts[1] += f"\nThe alarm's own template could not be used: {_words(error)}\n"
    subject, body = texts
    return Written(" ".join(subject.split())[:LONGEST_SUBJECT], body[:LONGEST_BODY])


def _expand(text: str, values: dict[str, Any]) -> str:
    check_template(text)
    return str(_parsed(text).render(Context(values, autoescape=False)))


def _values(message: Message) -> dict[str, Any]:
    """Plain data only: a template can call nothing that matters."""
    told = json.loads(message.body)
    if "alarms" in told:
        return _of_route(message, told["alarms"])
    of_alarm = Alarm.objects.filter(pk=message.alarm_id).values(*OF_ALARM).first()
    page = reverse("alarms:alarm", args=[message.alarm_id])
    return {
        **{name: "" for name in OF_ALARM},
        **(of_alarm or {}),
        **told,
        "url": f"{settings.SITE_URL.rstrip('/')}{page}",
        "is_test": message.is_test,
    }


def _of_route(message: Message, alarms: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several alarms at once: the reason has a line for each, for the first hundred."""
    lines = [
        f"{one['alarm_name']}: {one['previous']} to {one['current']}. {one['reason']}"
        for one in alarms[:MOST_LINES]
    ]
    if len(alarms) > MOST_LINES:
        lines.append(f"and {len(alarms) - MOST_LINES} more")
    return {
        **{name: "" for name in (*PAYLOAD, *OF_ALARM)},
        "alarm_name": message.alarm_name,
        "alarm_id": str(message.alarm_id),
        "severity": message.severity,
        "previous": message.previous,
        "current": message.current,
        "project_id": message.project_id or "",
        "reason": "\n".join(lines),
        "reason_data": {},
        "url": f"{settings.SITE_URL.rstrip('/')}{reverse('alarms:alarms')}",
        "is_test": message.is_test,
    }
