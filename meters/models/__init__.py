"""What is stored. Samples are read by `meters.store.read`, not through their models."""

from meters.models.catalogue import (
    STANDALONE,
    CatalogueEpoch,
    Metric,
    Resource,
    ResourceRevision,
)
from meters.models.chunks import Chunk, DeletedSeries, RetentionWalk, StoreSurvey
from meters.models.events import Event
from meters.models.head import HeadSample, HeadSlot
from meters.models.operations import (
    BatchAttempt,
    IngestMinute,
    PollReport,
    PostedOnce,
    Quarantine,
    SampleImport,
    Source,
)
from meters.models.policies import (
    AGENTS_POLICY,
    ArchivePolicy,
    ArchivePolicyRule,
    ResourceType,
)

__all__ = [
    "AGENTS_POLICY",
    "STANDALONE",
    "ArchivePolicy",
    "ArchivePolicyRule",
    "BatchAttempt",
    "CatalogueEpoch",
    "Chunk",
    "DeletedSeries",
    "Event",
    "HeadSample",
    "HeadSlot",
    "IngestMinute",
    "Metric",
    "PollReport",
    "PostedOnce",
    "Quarantine",
    "Resource",
    "ResourceRevision",
    "ResourceType",
    "RetentionWalk",
    "SampleImport",
    "Source",
    "StoreSurvey",
]
