"""panko's own data: three kinds of cookies, of nobody's project. No API takes events."""

from __future__ import annotations


def store_cookies() -> None:
    """Into the database of the running server; Django is set up by then (`tests.compat.server`)."""
    from meters import wire
    from meters.store.write import store_batch
    from telemetry_site.clock import now_us

    events = [
        wire.Event(
            f"fea1b15a-1d47-4175-85a5-a4bb2c72924{place}",
            f"cookies_{name}",
            now_us() + place,
            [wire.Trait("type", "text", name), wire.Trait("ate", "int", place)],
            {"nested": {"inside": "value"}},
        )
        for place, name in enumerate(("chocolate.chip", "peanut.butter", "sugar"))
    ]
    store_batch(
        wire.Batch(
            v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat", created_at=now_us(),
            events=wire.EventBatch(events),
        )
    )  # fmt: skip
