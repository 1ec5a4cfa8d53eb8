"""How collection itself goes: sources, poll reports, quarantine, attempts, ingest rate."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models.functions import Now

from meters.queries import OperatorQuerySet


class Source(models.Model):
    """One polled thing as one agent sees it: a hypervisor, an endpoint, a queue, a host.

    Of the kind `PUBLISHER` it is a target that samples are handed on to.
    """

    PUBLISHER = "publisher"

    class Outcome(models.TextChoices):
        OK = "ok", "ok"
        PARTIAL = "partial", "partial"
        ERROR = "error", "error"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=64)
    name = models.CharField(max_length=1024)
    agent_id = models.CharField(max_length=255)
    interval_s = models.FloatField(default=0)
    last_slot = models.DateTimeField()
    last_poll = models.DateTimeField()
    last_success = models.DateTimeField(null=True, blank=True)
    last_received = models.DateTimeField()
    duration_s = models.FloatField(default=0)
    samples = models.IntegerField(default=0)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    errors = models.JSONField(default=list, blank=True)
    details = models.JSONField(default=dict, blank=True)

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "name", "agent_id"], name="source_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def silence(self, now: datetime) -> timedelta | None:
        """How long nothing was heard, once that is more than two intervals; else None.

        A source without an interval (polled by hand) is never waited for.
        """
        quiet = now - self.last_received
        is_silent = self.interval_s > 0 and quiet > timedelta(seconds=2 * self.interval_s)
        return quiet if is_silent else None


class PollReport(models.Model):
    """One poll's outcome, kept for a few days. Identity: (batch_id, position)."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.CASCADE, related_name="reports")
    batch_id = models.UUIDField()
    position = models.PositiveSmallIntegerField()
    slot = models.DateTimeField()
    started = models.DateTimeField()
    duration_s = models.FloatField()
    samples = models.IntegerField()
    outcome = models.CharField(max_length=16, choices=Source.Outcome.choices)
    errors = models.JSONField(default=list, blank=True)

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch_id", "position"], name="report_identity"),
        ]
        indexes = [models.Index(fields=["source", "-slot"], name="report_source")]

    def __str__(self) -> str:
        return f"{self.source_id} at {self.slot:%H:%M:%S}: {self.outcome}"


class Quarantine(models.Model):
    """What could not be stored, whole, with the reason (reliability C7)."""

    class Reason(models.TextChoices):
        BAD_JSON = "bad_json", "not valid JSON"
        BAD_ENCODING = "bad_encoding", "not readable in its encoding"
        BAD_VERSION = "bad_version", "unknown version of the format"
        BAD_SIGNATURE = "bad_signature", "signature does not fit"
        SCHEMA = "schema", "breaks the format"
        TIMESTAMP_FUTURE = "timestamp_future", "time too far in the future"
        TIMESTAMP_ANCIENT = "timestamp_ancient", "time before the retention"
        NOT_FINITE = "not_finite", "value is not a finite number"
        NUL_IN_TEXT = "nul_in_text", "text holds a NUL character"
        ITEM_TOO_LARGE = "item_too_large", "item too large"
        BATCH_TOO_OLD = "batch_too_old", "batch too old"
        TOO_MANY_KEYS = "too_many_keys", "too many metadata keys"
        UNKNOWN_EVENT_TYPE = "unknown_event_type", "no definition for this event type"
        FOREIGN_RESOURCE = "foreign_resource", "sender may not speak for this resource"
        NO_PARTITION = "no_partition", "no place for this time"
        CRASHES_WORKER = "crashes_worker", "ended the worker three times"
        REFUSED = "refused", "refused by what it was published to"
        UNKNOWN = "unknown", "unknown"

    class State(models.TextChoices):
        OPEN = "open", "open"
        REPLAYED = "replayed", "replayed"
        DISCARDED = "discarded", "discarded"

    class Form(models.TextChoices):
        """What `body` is, hence how it is replayed."""

        BATCH = "batch", "batch"
        RAW_BATCH = "raw_batch", "raw batch of notifications"
        NOTIFICATION = "notification", "notification"
        SAMPLES = "samples", "samples of a batch"
        PUBLICATION = "publication", "what a publisher's target refused"
        OTHER = "other", "not replayable"

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(db_default=Now())
    form = models.CharField(max_length=16, choices=Form.choices)
    source = models.CharField(max_length=1024, default="", blank=True)
    agent_id = models.CharField(max_length=255, default="", blank=True)
    batch_id = models.CharField(max_length=64, default="", blank=True)
    position = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=32, choices=Reason.choices)
    detail = models.TextField(default="", blank=True)
    json_path = models.CharField(max_length=255, default="", blank=True)
    body = models.BinaryField(default=b"")
    truncated = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64, default="", blank=True)
    headers = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=255, default="", blank=True)

    objects = OperatorQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "quarantine"
        constraints = [
            # A batch that is delivered again must not fill the quarantine twice.
            models.UniqueConstraint(
                fields=["batch_id", "form", "position", "reason"],
                condition=~models.Q(batch_id=""),
                name="quarantine_identity",
            ),
        ]
        indexes = [models.Index(fields=["state", "-created_at"], name="quarantine_state")]

    def __str__(self) -> str:
        return f"{self.reason} {self.batch_id}"


class BatchAttempt(models.Model):
    """How often a redelivered batch was begun; raised in a transaction of its own (C6)."""

    batch_id = models.CharField(max_length=64, primary_key=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.attempts}"


class IngestMinute(models.Model):
    """What one thread stored in one minute: the overview's ingest rate."""

    id = models.BigAutoField(primary_key=True)
    minute = models.DateTimeField()
    worker = models.CharField(max_length=255)
    batches = models.BigIntegerField(default=0)
    samples = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["minute", "worker"], name="ingest_minute_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.minute:%H:%M} {self.worker}: {self.samples}"


class PostedOnce(models.Model):
    """What was answered to a POST with an `Idempotency-Key` (W1); kept for a day.

    `key` is the SHA-256 of project and key, `body_digest` that of the body, `answer` the JSON.
    """

    key = models.CharField(max_length=64, primary_key=True)
    body_digest = models.CharField(max_length=64)
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="posted_once_created")]

    def __str__(self) -> str:
        return self.key[:12]


class SampleImport(models.Model):
    """How many frames of a file of samples are stored: where `import_samples --resume` goes on."""

    export_id = models.UUIDField(primary_key=True)
    frames = models.BigIntegerField()
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.export_id}: {self.frames}"
