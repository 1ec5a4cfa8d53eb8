"""Relabelling as Prometheus does it (docs: configuration, relabel_config). Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from telemetry_site.yamlfile import DefinitionError, Mapping, Sequence, text_of

ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop",
    "labelkeep", "lowercase", "uppercase",
)  # fmt: skip
_NEEDS_TARGET = {"replace", "keepequal", "dropequal", "hashmod", "lowercase", "uppercase"}
_KEYS = {
    "source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action",
}  # fmt: skip
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")

Labels = dict[str, str]


@dataclass(frozen=True)
class Rule:
    """One step. `regex` fits whole values only."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: re.Pattern[str] = re.compile("(.*)", re.DOTALL)
    target_label: str = ""
    modulus: int = 0
    replacement: str = "$1"


def relabelled(labels: Labels, rules: Iterable[Rule]) -> Labels | None:
    """The labels after all rules; None where one drops them. Labels without a value are none."""
    changed: Labels | None = dict(labels)
    for rule in rules:
        changed = _applied(rule, changed or {})
        if changed is None:
            return None
    return {name: value for name, value in (changed or {}).items() if value}


def _applied(rule: Rule, labels: Labels) -> Labels | None:
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    match rule.action:
        case "keep" | "drop":
            fits = rule.regex.fullmatch(value) is not None
            return labels if fits is (rule.action == "keep") else None
        case "keepequal" | "dropequal":
            same = labels.get(rule.target_label, "") == value
            return labels if same is (rule.action == "keepequal") else None
        case "labelmap":
            return labels | _mapped(rule, labels)
        case "labeldrop" | "labelkeep":
            keeps = rule.action == "labelkeep"
            return {
                name: one
                for name, one in labels.items()
                if (rule.regex.fullmatch(name) is not None) is keeps
            }
        case "hashmod":
            digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
            return labels | {rule.target_label: str(int.from_bytes(digest[8:]) % rule.modulus)}
        case "lowercase":
            return labels | {rule.target_label: value.lower()}
        case "uppercase":
            return labels | {rule.target_label: value.upper()}
    return _replaced(rule, labels, value)


def _replaced(rule: Rule, labels: Labels, value: str) -> Labels:
    found = rule.regex.fullmatch(value)
    if found is None:
        return labels
    target = _expanded(rule.target_label, found)
    if not _LABEL.fullmatch(target):
        return labels
    return labels | {target: _expanded(rule.replacement, found)}


def _mapped(rule: Rule, labels: Labels) -> Labels:
    return {
        _expanded(rule.replacement, found): value
        for name, value in labels.items()
        if (found := rule.regex.fullmatch(name))
    }


def _expanded(template: str, found: re.Match[str]) -> str:
    """`$1`, `${1}`, `${name}` by what the expression found; one that is not there is empty."""

    def group(reference: re.Match[str]) -> str:
        if reference.group(1):
            return "$"
        name = reference.group(2) or reference.group(3)
        try:
            return found.group(int(name) if name.isdigit() else name) or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(group, template)


def read_rules(written: Any, line: int) -> tuple[Rule, ...]:
    """Raises `DefinitionError` with the line of the rule that is wrong."""
    if written is None:
        return ()
    if not isinstance(written, Sequence):
        raise DefinitionError("relabelling is a list of rules", line)
    return tuple(_rule(one, at) for one, at in zip(written, written.lines, strict=True))


def _rule(written: Any, line: int) -> Rule:
    if not isinstance(written, Mapping):
        raise DefinitionError("a rule is a mapping", line)
    for key in written:
        if key not in _KEYS:
            raise DefinitionError(f"there is no key {key!r} of a rule", written.line_of(key))
    action = _text(written, "action", "replace").lower()
    if action not in ACTIONS:
        raise DefinitionError(
            f"{action!r:.80} is none of {', '.join(ACTIONS)}", written.line_of("action")
        )
    target = _text(written, "target_label", "")
    if action in _NEEDS_TARGET and not target:
        raise DefinitionError(f"{action} needs a target_label", line)
    modulus = written.get("modulus", 0)
    if isinstance(modulus, bool) or not isinstance(modulus, int):
        raise DefinitionError("modulus is a number", written.line_of("modulus"))
    if action == "hashmod" and not 1 <= modulus < 1 << 64:
        raise DefinitionError("hashmod needs a modulus of at least 1", line)
    sources = written.get("source_labels") or []
    if not isinstance(sources, list) or not all(isinstance(one, str) for one in sources):
        raise DefinitionError("source_labels is a list", written.line_of("source_labels"))
    return Rule(
        action, tuple(sources), _text(written, "separator", ";"), _regex(written), target,
        modulus, _text(written, "replacement", "$1"),
    )  # fmt: skip


def _text(written: Mapping, key: str, default: str) -> str:
    """As Prometheus reads it: a truth, too, is what is written."""
    value = written.get(key)
    return str(value).lower() if isinstance(value, bool) else text_of(written, key, default)


def _regex(written: Mapping) -> re.Pattern[str]:
    text = _text(written, "regex", "(.*)")
    if "[[:" in text:  # Python reads it as something else, without a word
        raise DefinitionError(
            "regex: classes like [[:alpha:]] are not supported", written.line_of("regex")
        )
    try:
        return re.compile(text, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise DefinitionError(f"regex: {error}", written.line_of("regex")) from error
