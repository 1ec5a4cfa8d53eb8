"""Templates of alarms: what they may say, and that nobody's template costs or reveals more."""

from __future__ import annotations

import time

import pytest

from alarms.errors import TemplateError
from alarms.notifier.templates import BODY, LONGEST, SUBJECT, _expand, check_template

VALUES = {"alarm_name": "<cpu>", "current": "alarm", "reason_data": {"most_recent": 95.12345}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{ alarm_name }} & co", "<cpu> & co"),
        ("{{ alarm_name|upper }}", "<CPU>"),
        ("{{ reason_data.most_recent|floatformat:2 }}", "95.12"),
        ("{% if current == 'alarm' %}!{% else %}-{% endif %}", "!"),
        ("{{ reason_data.nothing|default:'none' }}", "none"),
        ("{% firstof description current %}", "alarm"),
        ("{# nothing #}x", "x"),
    ],
)
def test_what_they_say(text: str, wanted: str) -> None:
    assert _expand(text, VALUES) == wanted


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\n\n{% nonsense %}", 3),
        ("{% if current %}\n", 1),
        ("x\n{{ reason|nonsense }}", 2),
        ("x\ny {{ nobody }}", 2),
        ("{{ reason|truncatechars }}", 1),
        *[
            (f"x\n{{% {tag} %}}", 2)
            for tag in (
                "include 'x'", "extends 'x'", "load i18n", "for a in reason", "with a=reason",
                "debug", "now 'Y'", "url 'alarms:alarms'", "csrf_token", "cycle 1 2", "lorem 1000",
                "regroup a by b as c", "widthratio 1 2 3", "spaceless", "filter upper",
            )
        ],
        *[
            (f"{{{{ reason|{name} }}}}", 1)
            for name in (
                "ljust:'99999999'", "center:'99999999'", "stringformat:'099999999d'", "pprint",
                "wordwrap:1", "join:reason", "safe", "make_list", "add:reason", "random",
            )
        ],
    ],
)  # fmt: skip
def test_what_they_may_not(text: str, line: int) -> None:
    with pytest.raises(TemplateError) as caught:
        check_template(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    "text",
    [
        "x" * (LONGEST + 1), "a\0b", "{{ reason }}" * 101, None, {"a": 1}, ["x"],
        "{{ reason_data.most_recent|floatformat:99999999 }}", "{{ reason.__class__ }}",
    ],
)  # fmt: skip
def test_what_has_no_line(text: object) -> None:
    with pytest.raises(TemplateError):
        check_template(text)  # type: ignore[arg-type]


def test_the_houses_own_are_good() -> None:
    check_template(SUBJECT)
    check_template(BODY)


def test_the_dearest_is_cheap() -> None:
    text = "{{ reason|upper|lower }}" * 100
    values = {"reason": "x" * 100_000}
    began = time.monotonic()
    assert len(_expand(text, values)) == 10_000_000
    assert time.monotonic() - began < 2.0
