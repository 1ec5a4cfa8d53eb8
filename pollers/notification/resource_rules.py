"""gnocchi_resources.yaml: the type, attributes and archive policies of what samples are of, and the
events that make, change and end resources.

``{archive_policy_default, archive_policies, resources: [{resource_type, metrics, attributes,
event_create, event_update, event_delete, event_attributes, event_associated_resources}]}``. Of a
meter that stands in several entries the last one counts, of an event the first. A meter without
entry keeps the type that its own definition gives it: nothing is lost for having no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import msgspec

from meters import wire
from pollers.notification.fields import Field
from pollers.notification.samples import Sample
from pollers.scrub import Notes, scrubbed
from telemetry_site.clock import from_us

#: Attributes of an event's rule that are the resource's own, not its type's.
_OWN = ("id", "project_id", "user_id")


@dataclass(frozen=True)
class SampleRule:
    """What the resource of a meter's samples is. `policy` is for series that are new."""

    resource_type: str
    attributes: dict[str, Field]
    policy: str = ""

    def apply(self, sample: Sample, notes: Notes) -> Sample:
        """An attribute takes the place of what metadata has under its name."""
        resource = sample.resource
        written = {
            "name": sample.meter, "type": sample.type, "unit": sample.unit,
            "volume": sample.volume, "timestamp": from_us(sample.timestamp_us).isoformat(),
            "user_id": resource.user_id, "project_id": resource.project_id,
            "resource_id": resource.id, "source": resource.source,
            "resource_metadata": resource.metadata,
        }  # fmt: skip
        found = {name: each.first(written, notes) for name, each in self.attributes.items()}
        attributes = {name: value for name, value in found.items() if value is not None}
        metadata = {**resource.metadata, **scrubbed(attributes, notes)}
        return replace(
            sample,
            policy=self.policy,
            resource=msgspec.structs.replace(resource, type=self.resource_type, metadata=metadata),
        )


@dataclass(frozen=True)
class EventRule:
    """`patterns` are pairs of a wildcard and what an event of that kind does, in order."""

    resource_type: str
    patterns: tuple[tuple[str, wire.ChangeKind], ...]
    attributes: dict[str, str]
    associated: tuple[tuple[str, str], ...] = ()

    def kind_of(self, event_type: str) -> wire.ChangeKind | None:
        fitting = (kind for pattern, kind in self.patterns if fnmatchcase(event_type, pattern))
        return next(fitting, None)


class ResourceRules:
    def __init__(self, samples: dict[str, SampleRule], events: Iterable[EventRule] = ()) -> None:
        self.samples = samples
        self.events = tuple(events)
        self.rule_of = lru_cache(maxsize=4096)(self._rule_of)

    def apply(self, samples: Iterable[Sample], notes: Notes) -> list[Sample]:
        return [
            self.samples[sample.meter].apply(sample, notes)
            if sample.meter in self.samples
            else sample
            for sample in samples
        ]

    def _rule_of(self, event_type: str) -> tuple[EventRule, wire.ChangeKind] | None:
        for rule in self.events:
            kind = rule.kind_of(event_type)
            if kind is not None:
                return rule, kind
        return None

    def with_change(self, event: wire.Event, notes: Notes) -> wire.Event:
        """The event with what it says of a resource; as it is where no rule fits."""
        found = self.rule_of(event.event_type)
        if found is None:
            return event
        rule, kind = found
        traits = {trait.name: _shown(trait) for trait in event.traits}
        values = {name: traits[trait] for name, trait in rule.attributes.items() if trait in traits}
        identity = values.get("id")
        if not identity:
            notes[f"{event.event_type}: no trait {rule.attributes['id']} names a resource"] += 1
            return event
        change = wire.ResourceChange(
            kind=kind,
            id=str(identity),
            type=rule.resource_type,
            project_id=_text(values.get("project_id")),
            user_id=_text(values.get("user_id")),
            attributes={name: value for name, value in values.items() if name not in _OWN},
            associated=list(rule.associated) if kind != "create" else [],
        )
        return msgspec.structs.replace(event, change=change)


def _shown(trait: wire.Trait) -> str | int | float:
    return from_us(int(trait.value)).isoformat() if trait.type == "datetime" else trait.value


def _text(value: Any) -> str | None:
    return str(value) if value else None
