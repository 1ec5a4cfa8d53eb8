"""How rows look in answers. Output only, but for tokens; nothing here decides who sees what."""

from __future__ import annotations

import base64
from typing import Any

from rest_framework import serializers

from meters.api.names import flaw_of
from meters.models import Event, Metric, PollReport, Quarantine, Resource, ResourceRevision, Source
from meters.why.findings import Weight
from telemetry_site.auth.models import ApiToken
from telemetry_site.auth.principal import ALL_SCOPES
from telemetry_site.auth.tokens import DEFAULT_DAYS, MAX_DAYS

SCOPES = sorted(ALL_SCOPES)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know, so nothing is ignored without a word."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name[:80]: ["Unknown or read-only field."] for name in unknown[:20]}
                )
        return super().to_internal_value(data)


class NameField(serializers.CharField):
    """Text as it was sent: nothing is stripped, and no number is taken for text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=255, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        flaw = flaw_of(data)
        if flaw:
            raise serializers.ValidationError(f"The text {flaw}.")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON integer; DRF's own takes "5.0", "1_000" and full-width digits too."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ResourceRefSerializer(serializers.ModelSerializer[Resource]):
    """A resource by its names only: what every owner of the time may know."""

    id = serializers.UUIDField(source="uuid")

    class Meta:
        model = Resource
        fields = ["id", "original_id"]


class ResourceSerializer(serializers.ModelSerializer[Resource]):
    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField(source="display_name")
    metadata = serializers.DictField()

    class Meta:
        model = Resource
        fields = [
            "id", "original_id", "name", "type", "project_id", "user_id", "source", "metadata",
            "started_at", "ended_at", "revision_start", "created_at",
        ]  # fmt: skip


class RevisionSerializer(serializers.ModelSerializer[ResourceRevision]):
    metadata = serializers.DictField()

    class Meta:
        model = ResourceRevision
        fields = ["valid_from", "project_id", "user_id", "type", "source", "metadata"]


class LastSerializer(serializers.Serializer[Any]):
    """The newest sample; `age_s` is how old it is now, in seconds."""

    timestamp = serializers.DateTimeField()
    value = serializers.FloatField()
    age_s = serializers.FloatField()


class MetricSerializer(serializers.ModelSerializer[Metric]):
    id = serializers.UUIDField(source="uuid")
    resource = ResourceSerializer()
    last = LastSerializer(allow_null=True)

    class Meta:
        model = Metric
        fields = ["id", "name", "unit", "type", "created_at", "resource", "last"]


class OwnMetricSerializer(MetricSerializer):
    """A metric inside its resource."""

    class Meta(MetricSerializer.Meta):
        fields = ["id", "name", "unit", "type", "created_at", "last"]


class ResourceDetailSerializer(ResourceSerializer):
    metrics = OwnMetricSerializer(many=True)

    class Meta(ResourceSerializer.Meta):
        fields = [*ResourceSerializer.Meta.fields, "metrics"]


class MeterSerializer(serializers.Serializer[Any]):
    """A meter's name with its unit and type, and how many resources have it."""

    name = serializers.CharField()
    unit = serializers.CharField()
    type = serializers.ChoiceField(Metric.Type.choices)
    resources = serializers.IntegerField()


class MetricRefSerializer(serializers.ModelSerializer[Metric]):
    id = serializers.UUIDField(source="uuid")
    resource = ResourceRefSerializer()

    class Meta:
        model = Metric
        fields = ["id", "name", "unit", "type", "resource"]


class SampleSerializer(serializers.Serializer[Any]):
    metric = MetricRefSerializer()
    timestamp = serializers.DateTimeField()
    value = serializers.FloatField()


class SamplePageSerializer(serializers.Serializer[Any]):
    results = SampleSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class StoredSerializer(serializers.Serializer[Any]):
    """The answer to a post: committed."""

    stored = serializers.IntegerField()
    project_id = serializers.CharField(allow_null=True)


class StatisticsGroupSerializer(serializers.Serializer[Any]):
    """`values[method][i]` is of the bucket that starts at `timestamps[i]`; null = no value."""

    by = serializers.DictField(child=serializers.CharField())
    unit = serializers.CharField(allow_null=True)
    timestamps = serializers.ListField(child=serializers.DateTimeField())
    values = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True))
    )
    notes = serializers.ListField(child=serializers.CharField())


class StatisticsSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    stop = serializers.DateTimeField()
    granularity_s = serializers.FloatField()
    aggregation = serializers.ListField(child=serializers.CharField())
    reaggregation = serializers.CharField(allow_null=True)
    groups = StatisticsGroupSerializer(many=True)


class TraitSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.ChoiceField(["text", "int", "float", "datetime"])
    value = serializers.JSONField()


class EventSerializer(serializers.ModelSerializer[Event]):
    traits = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["message_id", "event_type", "generated", "project_id", "user_id", "traits"]

    def get_traits(self, event: Event) -> list[dict[str, Any]]:
        types: dict[str, str] = event.trait_types
        return [
            {"name": name, "type": types.get(name, "text"), "value": value}
            for name, value in sorted(event.traits.items())
        ]


class EventTypeSerializer(serializers.Serializer[Any]):
    event_type = serializers.CharField()


class ReportSerializer(serializers.ModelSerializer[PollReport]):
    errors = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]

    class Meta:
        model = PollReport
        fields = ["slot", "started", "duration_s", "samples", "outcome", "errors"]


class SourceSerializer(serializers.ModelSerializer[Source]):
    errors = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]
    details = serializers.DictField()

    class Meta:
        model = Source
        fields = [
            "id", "kind", "name", "agent_id", "interval_s", "last_slot", "last_poll",
            "last_success", "last_received", "duration_s", "samples", "outcome", "errors",
            "details",
        ]  # fmt: skip


class SourceDetailSerializer(SourceSerializer):
    reports = ReportSerializer(many=True)

    class Meta(SourceSerializer.Meta):
        fields = [*SourceSerializer.Meta.fields, "reports"]


class FindingSerializer(serializers.Serializer[Any]):
    """`evidence` is what the verdict stands on, `action` and `command` what to do."""

    code = serializers.CharField()
    weight = serializers.ChoiceField([str(one) for one in Weight])
    verdict = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())
    action = serializers.CharField(allow_blank=True)
    command = serializers.CharField(allow_blank=True)
    source_id = serializers.IntegerField(allow_null=True)
    quarantine_id = serializers.IntegerField(allow_null=True)
    resource_uuid = serializers.UUIDField(allow_null=True)


class WhySerializer(serializers.Serializer[Any]):
    """`answer` is the verdict of the first finding."""

    resource = serializers.CharField()
    meter = serializers.CharField()
    has_data = serializers.BooleanField()
    answer = serializers.CharField()
    findings = FindingSerializer(many=True)


class QuarantineSerializer(serializers.ModelSerializer[Quarantine]):
    size_bytes = serializers.IntegerField()

    class Meta:
        model = Quarantine
        fields = [
            "id", "created_at", "form", "source", "agent_id", "batch_id", "position", "reason",
            "detail", "json_path", "truncated", "sha256", "size_bytes", "state", "closed_at",
            "closed_by",
        ]  # fmt: skip


class QuarantineDetailSerializer(QuarantineSerializer):
    """With the body, in base64 since it may be anything."""

    body = serializers.SerializerMethodField()
    headers = serializers.DictField()

    class Meta(QuarantineSerializer.Meta):
        fields = [*QuarantineSerializer.Meta.fields, "headers", "body"]

    def get_body(self, row: Quarantine) -> str:
        return base64.b64encode(bytes(row.body)).decode()


class QuarantineIdsSerializer(StrictSerializer):
    ids = serializers.ListField(
        child=WholeNumberField(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=1000,
    )


class RefusalSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    detail = serializers.CharField()


class QuarantineResultSerializer(serializers.Serializer[Any]):
    """How many rows were closed, and why the others were not."""

    done = serializers.IntegerField()
    refused = RefusalSerializer(many=True)


class QueueSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    messages = serializers.IntegerField(allow_null=True)


class RoleSerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    state = serializers.CharField()
    alive = serializers.BooleanField()
    up_since = serializers.CharField()
    last_work = serializers.CharField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    last_error = serializers.CharField()


class InstallationSerializer(serializers.Serializer[Any]):
    """For administrators. Rates are of the last five whole minutes, a second."""

    roles = RoleSerializer(many=True)
    queues = QueueSerializer(many=True)
    samples_per_s = serializers.FloatField()
    events_per_s = serializers.FloatField()
    rejected_per_s = serializers.FloatField()
    quarantine_open = serializers.DictField(child=serializers.IntegerField())


class StatusSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    now = serializers.DateTimeField()
    installation = InstallationSerializer(allow_null=True)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """Never the secret: `prefix` is how people tell their tokens apart."""

    user = serializers.CharField(source="user.username")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))

    class Meta:
        model = ApiToken
        fields = [
            "id", "name", "user", "prefix", "project_id", "scopes", "created_at", "expires_at",
            "last_used_at", "revoked_at",
        ]  # fmt: skip


class NewTokenSerializer(TokenSerializer):
    """The answer to making one: `token` is shown this once."""

    token = serializers.CharField()

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class TokenRequestSerializer(StrictSerializer):
    name = NameField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(SCOPES), allow_empty=False, max_length=len(SCOPES)
    )
    project_id = NameField(required=False)
    days = WholeNumberField(min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS, required=False)


class LinkSerializer(serializers.Serializer[Any]):
    rel = serializers.CharField()
    href = serializers.CharField()


class VersionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    status = serializers.CharField()
    links = LinkSerializer(many=True)


class RootSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    versions = VersionSerializer(many=True)
    links = serializers.DictField(child=serializers.CharField())
