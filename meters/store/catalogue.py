"""From a batch's catalogue to series ids: set-wise, cached, guarded by the catalogue epoch.

How it stays right with several collectors:

1. Each transaction reads the epoch row first. Another epoch than the cache's → the cache is
   emptied (some revision changed or something was deleted, by whichever process).
2. A catalogue whose very bytes were resolved under this epoch needs nothing but its array, as
   long as no sample is older than the revisions it was resolved to. One with a resource that has
   ended is looked at each time: what is measured after its end has not ended.
3. Otherwise resources, then series, are looked up and what is missing is made. Who makes or
   changes anything takes the catalogue's lock first and holds it until the commit: a transaction
   has several batches, and two collectors would wait for each other crosswise. If the epoch rose
   before it had the lock, what it looked up may be gone: it begins anew (`StaleCatalogueError`).
4. What was resolved enters the cache only after the commit, so a rollback leaves no trace.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from meters import wire
from meters.models.policies import AGENTS_POLICY
from meters.store.catalogue_statements import (
    CATALOGUE_LOCK,
    CHANGE_REVISIONS,
    INSERT_RESOURCES,
    LOCK_CATALOGUE,
    LOCK_RESOURCES,
    RAISE_EPOCH,
    REVIVE,
    SELECT_EPOCH,
    SELECT_RESOURCES,
    SELECT_SERIES,
    UPSERT_SERIES,
)
from telemetry_site.clock import from_us, to_us

#: Names of resources that are no UUID become uuid5 of this namespace and (id, creator).
RESOURCE_NAMESPACE = uuid.UUID("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b")
CACHED_CATALOGUES = 4096
CACHED_SERIES = 1_000_000

SeriesIds = npt.NDArray[np.int64]


class StaleCatalogueError(Exception):
    """The catalogue changed between the transaction's begin and its lock."""


class ResolvedCatalogue(NamedTuple):
    """Series id of each row; good for samples from `since_us` on (its newest revision's start)."""

    ids: SeriesIds
    since_us: int


class Key(NamedTuple):
    """What identifies a catalogue's resolution."""

    creator: str
    digest: bytes


class KnownResource(NamedTuple):
    pk: int
    digest: bytes
    revision_start: datetime
    ended_at: datetime | None


class KnownSeries(NamedTuple):
    pk: int
    unit: str
    type: str


@dataclass
class Known:
    """What this process has resolved under `epoch`."""

    epoch: int = 0
    catalogues: OrderedDict[Key, ResolvedCatalogue] = field(default_factory=OrderedDict)
    resources: dict[tuple[str, str], KnownResource] = field(default_factory=dict)
    series: dict[tuple[int, str], KnownSeries] = field(default_factory=dict)


class CatalogueCache:
    """What is known under the newest epoch. Threads share it: nothing is taken out of a `Known`
    but catalogues, so that who looked something up there finds it again.
    """

    def __init__(self) -> None:
        self._known = Known()

    def enter(self, epoch: int) -> Known:
        """Begin a transaction under `epoch`; forget what another epoch knew."""
        if epoch != self._known.epoch:
            self._known = Known(epoch)
        return self._known

    def clear(self) -> None:
        self._known = Known()

    def remember(self, known: Known, resolved: Resolved) -> None:
        """After the commit: take over what was resolved, unless the epoch has moved on."""
        if known is not self._known:
            return
        if len(known.series) > CACHED_SERIES:
            known = self._known = Known(known.epoch)
        known.resources.update(resolved.resources)
        known.series.update(resolved.series)
        known.catalogues.update(resolved.catalogues)
        while len(known.catalogues) > CACHED_CATALOGUES:
            known.catalogues.popitem(last=False)


@dataclass
class Resolved:
    """What one transaction learnt; `changed` = a revision changed, so the epoch was raised."""

    catalogues: dict[Key, ResolvedCatalogue] = field(default_factory=dict)
    resources: dict[tuple[str, str], KnownResource] = field(default_factory=dict)
    series: dict[tuple[int, str], KnownSeries] = field(default_factory=dict)
    changed: bool = False


class Asked(NamedTuple):
    """A resource as one batch describes it, with the time of its first sample there."""

    resource: wire.Resource
    digest: bytes
    since: datetime


def key_of(creator: str, samples: wire.SampleBatch) -> Key:
    return Key(creator, hashlib.blake2b(samples.catalogue, digest_size=16).digest())


def resource_uuid(original_id: str, creator: str) -> uuid.UUID:
    """The resource's own UUID where its name is one and the system made it, else uuid5.

    Only in its usual spelling: two spellings of one UUID are two names, hence two resources.
    """
    if not creator:
        try:
            own = uuid.UUID(original_id)
        except ValueError:
            own = None
        if own is not None and str(own) == original_id:
            return own
    return uuid.uuid5(RESOURCE_NAMESPACE, f"{original_id}\x00{creator}")


def revision_digest(resource: wire.Resource) -> bytes:
    """Of all that makes a revision: owner, type, source and metadata but its volatile keys."""
    volatile = settings.TELEMETRY_VOLATILE_METADATA
    metadata = {name: value for name, value in resource.metadata.items() if name not in volatile}
    content = (resource.project_id, resource.user_id, resource.type, resource.source, metadata)
    encoded = msgspec.json.encode(content, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).digest()


class Resolver:
    """Resolves the catalogues of one transaction."""

    def __init__(self, cursor: CursorWrapper, cache: Known, creator: str) -> None:
        self.cursor = cursor
        self.cache = cache
        self.creator = creator
        self.resolved = Resolved()
        self._locked = False

    def known(self, key: Key, earliest_us: int) -> SeriesIds | None:
        """The ids of a catalogue resolved before, for samples from `earliest_us` on."""
        found = self.resolved.catalogues.get(key)
        if found is None and not self.resolved.changed:
            found = self.cache.catalogues.get(key)
        if found is None or earliest_us < found.since_us:
            return None
        with suppress(KeyError):
            self.cache.catalogues.move_to_end(key)
        return found.ids

    def resolve(self, key: Key, catalogue: wire.Catalogue, columns: wire.Columns) -> SeriesIds:
        """Series id of each row of the catalogue; makes what is missing."""
        starts = _first_times(catalogue, columns)
        resources = self._resources(catalogue.resources, starts)
        some_ended = any(resource.ended_at for resource in resources)
        if some_ended:
            self._revive(catalogue, columns, resources)
        ids = self._series(catalogue.series, resources)
        since_us = max(to_us(resource.revision_start) for resource in resources)
        if not some_ended:
            self.resolved.catalogues[key] = ResolvedCatalogue(ids, since_us)
        return ids

    # --- resources ---------------------------------------------------------------------------

    def _resources(
        self, resources: Sequence[wire.Resource], starts: Sequence[int]
    ) -> list[KnownResource]:
        asked = [
            Asked(resource, revision_digest(resource), from_us(start))
            for resource, start in zip(resources, starts, strict=True)
        ]
        self._load_resources(asked)
        changed = [one for one in asked if not self._fits(one)]
        if changed:
            self._change_revisions(changed)
        return [self._known_resource(one) for one in asked]

    def _fits(self, one: Asked) -> bool:
        """Whether the newest revision says the same and was valid at the time of the samples."""
        known = self._known_resource(one)
        return known.digest == one.digest and one.since >= known.revision_start

    def _known_resource(self, one: Asked) -> KnownResource:
        key = (one.resource.id, self.creator)
        return self.resolved.resources.get(key) or self.cache.resources[key]

    def _load_resources(self, asked: Iterable[Asked]) -> None:
        """Look up, then make, the resources that the caches don't hold."""
        missing = {
            one.resource.id: one
            for one in asked
            if (one.resource.id, self.creator) not in self.resolved.resources
            and (one.resource.id, self.creator) not in self.cache.resources
        }
        if not missing:
            return
        self._select_resources(list(missing))
        found = self.resolved.resources
        new = [one for name, one in missing.items() if (name, self.creator) not in found]
        if new:
            self._insert_resources(new)
            self._select_resources([one.resource.id for one in new])

    def _select_resources(self, names: list[str]) -> None:
        self.cursor.execute(SELECT_RESOURCES, [self.creator, names])
        for pk, name, digest, revision_start, ended_at in self.cursor.fetchall():
            known = KnownResource(pk, bytes(digest), revision_start, ended_at)
            self.resolved.resources[name, self.creator] = known

    def _insert_resources(self, new: list[Asked]) -> None:
        self._lock()
        make_resources(self.cursor, new, self.creator)

    def _change_revisions(self, changed: list[Asked]) -> None:
        """Open a revision for each; the newest also becomes the resource's own description.

        A revision older than the newest (a late batch) is filed at its own time only, and only
        where another one was valid there.
        """
        self._lock()
        last = {one.resource.id: one for one in changed}
        columns = _resource_columns(list(last.values()), self.creator)
        self.cursor.execute(LOCK_RESOURCES, [self.creator, columns["names"]])
        self.cursor.execute(CHANGE_REVISIONS, {"creator": self.creator, **columns})
        if any(self.cursor.fetchone()):
            self.cursor.execute(RAISE_EPOCH)
            self.resolved.changed = True
            self.resolved.catalogues.clear()
        self._select_resources(list(last))

    def _revive(
        self, catalogue: wire.Catalogue, columns: wire.Columns, resources: Sequence[KnownResource]
    ) -> None:
        """Resources that are measured after their end have not ended (metric-api.md 13.5).

        Not by what calls itself deleted: services tell once more of what is gone, as Nova's audit
        does within the hour.
        """
        back = [
            (known.pk, from_us(last))
            for known, one, last in zip(
                resources, catalogue.resources, _last_times(catalogue, columns), strict=True
            )
            if known.ended_at and last > to_us(known.ended_at) and not _is_gone(one.metadata)
        ]
        if not back:
            return
        self._lock()
        ids, moments = zip(*sorted(back), strict=True)
        self.cursor.execute(REVIVE, {"ids": list(ids), "moments": list(moments)})
        if self.cursor.rowcount:
            self.cursor.execute(RAISE_EPOCH)
            self.resolved.changed = True
            self.resolved.catalogues.clear()

    # --- series ------------------------------------------------------------------------------

    def _series(
        self, series: Sequence[wire.Series], resources: Sequence[KnownResource]
    ) -> SeriesIds:
        keys = [(resources[one.resource].pk, one.meter) for one in series]
        missing = {
            key: one
            for key, one in zip(keys, series, strict=True)
            if not self._same_series(key, one)
        }
        if missing:
            self._upsert_series(missing)
        return np.array([self._known_series(key).pk for key in keys], dtype=np.int64)

    def _known_series(self, key: tuple[int, str]) -> KnownSeries:
        return self.resolved.series.get(key) or self.cache.series[key]

    def _same_series(self, key: tuple[int, str], one: wire.Series) -> bool:
        known = self.resolved.series.get(key) or self.cache.series.get(key)
        return known is not None and known.unit == one.unit and known.type == one.type

    def _upsert_series(self, missing: dict[tuple[int, str], wire.Series]) -> None:
        self._lock()
        ordered = sorted(missing.items())
        columns: dict[str, Any] = {
            "resources": [key[0] for key, _ in ordered],
            "names": [key[1] for key, _ in ordered],
            "units": [one.unit for _, one in ordered],
            "types": [one.type for _, one in ordered],
            "policies": [one.policy for _, one in ordered],
            "policy": None if self.creator else AGENTS_POLICY,
        }
        self.cursor.execute(UPSERT_SERIES, columns)
        self.cursor.execute(SELECT_SERIES, columns)
        for pk, resource, name, unit, type_ in self.cursor.fetchall():
            self.resolved.series[resource, name] = KnownSeries(pk, unit, type_)

    # --- writing -----------------------------------------------------------------------------

    def _lock(self) -> None:
        """Before anything is written; held until the transaction ends."""
        if self._locked:
            return
        lock_catalogue(self.cursor)
        self.cursor.execute(SELECT_EPOCH)
        if self.cursor.fetchone()[0] != self.cache.epoch:
            raise StaleCatalogueError
        self._locked = True


def make_resources(cursor: CursorWrapper, new: Iterable[Asked], creator: str = "") -> None:
    """Those that are not there yet, with their first revisions. Under the catalogue's lock."""
    ordered = sorted(new, key=lambda one: one.resource.id)
    cursor.execute(INSERT_RESOURCES, {"creator": creator, **_resource_columns(ordered, creator)})


def lock_catalogue(cursor: CursorWrapper) -> None:
    """Whoever makes, changes or deletes resources or metrics holds it until the commit."""
    cursor.execute(LOCK_CATALOGUE, [CATALOGUE_LOCK])


def _first_times(catalogue: wire.Catalogue, columns: wire.Columns) -> list[int]:
    """The earliest timestamp of each resource; of one without samples, the batch's."""
    starts = np.full(len(catalogue.resources), columns.timestamp.min(), dtype=np.int64)
    owner = np.array([one.resource for one in catalogue.series], dtype=np.int64)[columns.index]
    seen = np.unique(owner)
    starts[seen] = np.iinfo(np.int64).max
    np.minimum.at(starts, owner, columns.timestamp)
    return starts.tolist()


def _last_times(catalogue: wire.Catalogue, columns: wire.Columns) -> list[int]:
    """The latest timestamp of each resource; 0 of one without samples."""
    lasts = np.zeros(len(catalogue.resources), dtype=np.int64)
    owner = np.array([one.resource for one in catalogue.series], dtype=np.int64)[columns.index]
    np.maximum.at(lasts, owner, columns.timestamp)
    return lasts.tolist()


def _is_gone(metadata: Mapping[str, Any]) -> bool:
    """Whether a resource is described as one that is deleted."""
    says = (metadata.get("state"), metadata.get("status"))
    return bool(metadata.get("deleted_at")) or metadata.get("deleted") is True or "deleted" in says


def _resource_columns(asked: Sequence[Asked], creator: str) -> dict[str, Any]:
    """The resources as parallel arrays for `unnest`."""
    return {
        "names": [one.resource.id for one in asked],
        "uuids": [resource_uuid(one.resource.id, creator) for one in asked],
        "types": [one.resource.type for one in asked],
        "projects": [one.resource.project_id for one in asked],
        "users": [one.resource.user_id for one in asked],
        "sources": [one.resource.source for one in asked],
        "metadata": [msgspec.json.encode(one.resource.metadata).decode() for one in asked],
        "digests": [one.digest for one in asked],
        "starts": [one.since for one in asked],
    }
