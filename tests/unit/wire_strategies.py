"""Hypothesis strategies of everything that the wire format can carry."""

from __future__ import annotations

import sys

from hypothesis import strategies as st

from meters import wire

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
NAMES = TEXT.filter(bool)
TIMES = st.integers(wire.EARLIEST_US, wire.LATEST_US)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
LEAVES = st.none() | st.booleans() | INTEGERS | NUMBERS | TEXT
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
AGENTS = st.from_regex(r"[!-.0-~]{1,40}", fullmatch=True)
IDS = st.uuids().map(str)
RESOURCES = st.builds(
    wire.Resource,
    id=NAMES,
    project_id=st.none() | TEXT,
    user_id=st.none() | TEXT,
    type=NAMES,
    metadata=DOCUMENTS,
    source=TEXT,
)


@st.composite
def catalogues(draw: st.DrawFn) -> wire.Catalogue:
    resources = draw(st.lists(RESOURCES, min_size=1, max_size=4))
    series = st.builds(
        wire.Series,
        resource=st.integers(0, len(resources) - 1),
        meter=NAMES,
        unit=TEXT,
        type=st.sampled_from(wire.SAMPLE_TYPES),
    )
    return wire.Catalogue(resources, draw(st.lists(series, min_size=1, max_size=6)))


@st.composite
def sample_batches(draw: st.DrawFn) -> wire.SampleBatch:
    catalogue = draw(catalogues())
    rows = draw(
        st.lists(st.tuples(st.integers(0, len(catalogue.series) - 1), TIMES, NUMBERS), max_size=20)
    )
    index, timestamps, values = zip(*rows, strict=True) if rows else ((), (), ())
    return wire.pack_samples(catalogue, index, timestamps, values)


TRAITS = st.one_of(
    st.builds(wire.Trait, name=NAMES, type=st.just("text"), value=TEXT),
    st.builds(wire.Trait, name=NAMES, type=st.just("int"), value=INTEGERS),
    st.builds(wire.Trait, name=NAMES, type=st.just("float"), value=NUMBERS),
    st.builds(wire.Trait, name=NAMES, type=st.just("datetime"), value=TIMES),
)
CHANGES = st.builds(
    wire.ResourceChange,
    kind=st.sampled_from(["create", "update", "end"]),
    id=NAMES,
    type=NAMES,
    project_id=st.none() | TEXT,
    user_id=st.none() | TEXT,
    attributes=DOCUMENTS,
    associated=st.lists(st.tuples(NAMES, NAMES), max_size=2),
)
EVENTS = st.builds(
    wire.Event,
    message_id=NAMES,
    event_type=NAMES,
    generated=TIMES,
    traits=st.lists(TRAITS, max_size=4),
    raw=DOCUMENTS,
    change=st.none() | CHANGES,
)
DURATIONS = st.floats(0, sys.float_info.max)
REPORTS = st.builds(
    wire.PollReport,
    kind=NAMES,
    source=NAMES,
    slot=TIMES,
    started=TIMES,
    duration_s=DURATIONS,
    samples=st.integers(0, 2**31 - 1),
    interval_s=DURATIONS,
    outcome=st.sampled_from(["ok", "partial", "error"]),
    errors=st.lists(TEXT, max_size=3),
    details=DOCUMENTS,
)
REJECTS = st.builds(
    wire.Reject,
    reason=NAMES,
    detail=TEXT,
    body=st.binary(max_size=50),
    source=TEXT,
    path=TEXT,
    headers=DOCUMENTS,
)
BATCHES = st.builds(
    wire.Batch,
    v=st.just(wire.VERSION),
    batch_id=IDS,
    agent_id=AGENTS,
    created_at=TIMES,
    samples=st.none() | sample_batches(),
    events=st.none() | st.builds(wire.EventBatch, st.lists(EVENTS, max_size=3)),
    reports=st.lists(REPORTS, max_size=2),
    rejects=st.lists(REJECTS, max_size=2),
)
MESSAGES = st.builds(
    wire.RawMessage,
    body=st.binary(max_size=50),
    content_type=TEXT,
    content_encoding=TEXT,
    exchange=TEXT,
    routing_key=TEXT,
    headers=DOCUMENTS,
)
RAW_BATCHES = st.builds(
    wire.RawBatch,
    v=st.just(wire.VERSION),
    batch_id=IDS,
    agent_id=AGENTS,
    created_at=TIMES,
    source=NAMES,
    messages=st.lists(MESSAGES, max_size=3),
)
RECEIPTS = st.builds(
    wire.Receipts,
    v=st.just(wire.VERSION),
    receipts=st.lists(
        st.builds(
            wire.Receipt,
            batch_id=IDS,
            status=st.sampled_from(["stored", "duplicate", "quarantined", "partial"]),
            rejected=st.integers(0, 10_000),
        ),
        max_size=3,
    ),
)
