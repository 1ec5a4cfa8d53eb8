"""Filters of the lists: fixed ones by django-filter, and `metadata.<key>`, `trait.<name>`.

No name that a caller gives becomes an identifier, a lookup or an alias: keys and names are bound
values of `jsonb_extract_path`, operators come from a table (S16).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from meters.api import params
from meters.api.errors import BadParameterError
from meters.models import Metric, Quarantine, Source
from meters.queries import Like, extract
from meters.traits import TRAIT_OPERATORS, trait_condition

MAX_PATH = 8
PREFIX_HELP = {
    "metadata.": "Metadata under this key (dots go deeper) reads so: metadata.flavor.name=m1.tiny",
    "trait.": "The trait has this value; also trait.size__gt=3, with eq, ne, lt, le, gt or ge.",
}


class StrictField(forms.CharField):
    """Text that goes through one of `params`' parsers; nothing is stripped or guessed."""

    def __init__(self, *, parse: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self.parse = parse

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class StrictFilter(django_filters.Filter):  # type: ignore[misc]
    """A filter whose value `parse` makes."""

    field_class = StrictField
    parse: ClassVar[Any] = staticmethod(params.name_text)
    openapi_type: ClassVar[Any] = OpenApiTypes.STR
    choices: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("parse", type(self).parse)
        super().__init__(*args, **kwargs)


class TextFilter(StrictFilter):
    pass


class WildcardFilter(StrictFilter):
    """`*` stands for any characters."""

    parse = staticmethod(params.like_pattern)

    def filter(self, qs: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return qs if value is None else qs.filter(Like(F(self.field_name), Value(value)))


class MomentFilter(StrictFilter):
    parse = staticmethod(params.moment)
    openapi_type = OpenApiTypes.DATETIME


class UuidFilter(StrictFilter):
    parse = staticmethod(params.uuid_text)
    openapi_type = OpenApiTypes.UUID


class ChoiceFilter(StrictFilter):
    def __init__(self, *args: Any, choices: type[Any], **kwargs: Any) -> None:
        super().__init__(*args, parse=params.choice(choices.values), **kwargs)
        self.choices = list(choices.values)


class FlagFilter(StrictFilter):
    parse = staticmethod(params.flag)
    openapi_type = OpenApiTypes.BOOL


class ApiFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """A filter set that refuses what it doesn't understand. `prefixes` are its open families."""

    prefixes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def apply(cls, queryset: QuerySet[Any], query: QueryDict) -> QuerySet[Any]:
        filters = cls(query, queryset=queryset)
        if not filters.is_valid():
            name, errors = next(iter(filters.errors.items()))
            raise BadParameterError(name, str(errors[0]))
        found: QuerySet[Any] = filters.qs
        for name in query:
            for prefix in cls.prefixes:
                if name.startswith(prefix):
                    key = name.removeprefix(prefix)
                    found = filters.by_prefix(found, name, key, str(query[name]))
        return found

    def by_prefix(self, qs: QuerySet[Any], name: str, key: str, value: str) -> QuerySet[Any]:
        raise NotImplementedError(name)

    @classmethod
    def openapi(cls) -> list[OpenApiParameter]:
        """The filters as they stand in the schema."""
        fixed = [
            OpenApiParameter(
                name, one.openapi_type, description=one.label, enum=list(one.choices) or None
            )
            for name, one in cls.base_filters.items()
        ]
        return fixed + [
            OpenApiParameter(f"{prefix}{{name}}", description=PREFIX_HELP[prefix])
            for prefix in cls.prefixes
        ]


class ResourceFilters(ApiFilterSet):
    prefixes = ("metadata.",)

    q = TextFilter(method="search", label="Text in the id, the name or the metadata.")
    type = TextFilter(label="Type of the resource, whole.")
    project_id = TextFilter(label="Owner, whole.")
    original_id = TextFilter(label="The resource's id in its own world.")

    def search(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        with_text: QuerySet[Any] = qs.alias(metadata_text=Cast("metadata", TextField()))
        return with_text.filter(Q(original_id__icontains=value) | Q(metadata_text__icontains=value))

    def by_prefix(self, qs: QuerySet[Any], name: str, key: str, value: str) -> QuerySet[Any]:
        return qs.filter(metadata_equals("metadata", name, key, value))


class MetricFilters(ApiFilterSet):
    """`resource_type`, `project_id` and `metadata.` look at the resource as it is now."""

    prefixes = ("metadata.",)
    #: Filters on the resource's description, which is its present owner's.
    described: ClassVar[tuple[str, ...]] = ("project_id", "resource_type", "metadata.")

    name = WildcardFilter(label="Name of the meter; * stands for any characters.")
    resource = TextFilter(method="by_resource", label="UUID or original id of the resource.")
    type = ChoiceFilter(choices=Metric.Type, label="gauge, cumulative or delta.")
    resource_type = TextFilter(field_name="resource__type", label="Type of the resource.")
    project_id = TextFilter(field_name="resource__project_id", label="Owner of the resource.")

    def by_resource(self, qs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        wanted = Q(resource__original_id=value)
        if params.is_uuid(value):
            wanted |= Q(resource__uuid=value)
        found: QuerySet[Any] = qs.filter(wanted)
        return found

    def by_prefix(self, qs: QuerySet[Any], name: str, key: str, value: str) -> QuerySet[Any]:
        return qs.filter(metadata_equals("resource__metadata", name, key, value))

    @classmethod
    def asks_for_description(cls, query: QueryDict) -> bool:
        return any(name.startswith(cls.described) for name in query)


class SeriesFilters(MetricFilters):
    """The same for samples and statistics, where the meter is called `meter`."""

    meter = WildcardFilter(
        field_name="name", label="Name of the meter; * stands for any characters."
    )
    metric = UuidFilter(field_name="uuid", label="UUID of the metric.")
    name = None  # type: ignore[assignment]


class MeterFilters(ApiFilterSet):
    name = WildcardFilter(label="Name of the meter; * stands for any characters.")
    type = ChoiceFilter(choices=Metric.Type, label="gauge, cumulative or delta.")
    resource_type = TextFilter(field_name="resource__type", label="Type of the resources.")
    project_id = TextFilter(field_name="resource__project_id", label="Owner of the resources.")


class EventTypeFilters(ApiFilterSet):
    event_type = WildcardFilter(label="Type of the event; * stands for any characters.")


class EventFilters(ApiFilterSet):
    prefixes = ("trait.",)

    event_type = WildcardFilter(label="Type of the event; * stands for any characters.")
    start = MomentFilter(field_name="generated", lookup_expr="gte", label="From this time on.")
    stop = MomentFilter(field_name="generated", lookup_expr="lt", label="Before this time.")
    project_id = TextFilter(label="Owner, whole.")
    user_id = TextFilter(label="User, whole.")

    def by_prefix(self, qs: QuerySet[Any], name: str, key: str, value: str) -> QuerySet[Any]:
        trait, separator, operator = key.rpartition("__")
        if not separator:
            trait, operator = key, "eq"
        if operator not in TRAIT_OPERATORS or not trait:
            known = ", ".join(TRAIT_OPERATORS)
            raise BadParameterError(params.shorten(name), f"Unknown operator. Known: {known}.")
        return qs.filter(trait_condition(trait, operator, value))


class SourceFilters(ApiFilterSet):
    kind = TextFilter(label="What polls: compute, host, prometheus, notification, …")
    outcome = ChoiceFilter(choices=Source.Outcome, label="How the last poll went.")
    agent_id = TextFilter(label="Which agent polls.")


class QuarantineFilters(ApiFilterSet):
    state = ChoiceFilter(choices=Quarantine.State, label="open, replayed or discarded.")
    reason = ChoiceFilter(choices=Quarantine.Reason, label="Why it could not be stored.")
    agent_id = TextFilter(label="Which agent sent it.")
    batch_id = TextFilter(label="The batch it came in.")


# --- JSON --------------------------------------------------------------------------------------


def metadata_equals(column: str, name: str, key: str, value: str) -> Q:
    """`metadata.a.b=x`: the key `a.b`, or `b` inside `a`, reads `x` as text."""
    path = key.split(".")
    if len(path) > MAX_PATH:
        raise BadParameterError(params.shorten(name), f"More than {MAX_PATH} steps.")
    found = Q(Exact(extract(column, key, text=True), Value(value)))
    return (
        found
        if len(path) == 1
        else found | Q(Exact(extract(column, *path, text=True), Value(value)))
    )
