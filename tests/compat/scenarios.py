"""ceilometer's API scenarios, unchanged, over real HTTP: `scenario_process` says how."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.stage import web
from tests.compat.front import front
from tests.compat.outcomes import Outcome
from tests.compat.server import Server
from tests.compat.suite_process import outcomes_of

PREFIX = "metric"
SETTINGS = {
    "TELEMETRY_NOAUTH": "1",
    # Samples of 2012.
    "TELEMETRY_RETENTION_DAYS": "0",
}
LIMIT, USUAL_LIMIT = "X-Default-Limit", "100"
PROCESS = Path(__file__).with_name("scenario_process.py")


def run(server: Server, environment: Path, files: Sequence[str]) -> Iterator[Outcome]:
    """The outcome of each test, as it ends. They take the API to be at a host's root."""
    with (
        limited_servers(server.root) as root_of,
        front(0, lambda headers: f"{root_of(headers[LIMIT])}/metering") as url,
        tempfile.TemporaryDirectory(prefix="compat-") as folder,
    ):
        yield from _run(
            server, [environment / "bin" / "python", "-P", PROCESS, url, folder, *files]
        )


@contextmanager
def limited_servers(root: str) -> Iterator[Callable[[str], str]]:
    """Gives the root of a server with a usual limit: further processes of the role `web`, each
    started when a test wants it."""
    roots = {USUAL_LIMIT: root}
    with ExitStack() as stack:

        def root_of(limit: str) -> str:
            if limit not in roots:
                more = {"WEB_WORKERS": "1", "TELEMETRY_CLASSIC_DEFAULT_LIMIT": limit}
                url, _ = stack.enter_context(web(**SETTINGS, **more))
                roots[limit] = url.removesuffix("/metric")
            return roots[limit]

        yield root_of


def _run(server: Server, command: Sequence[str | Path]) -> Iterator[Outcome]:
    """-P: modules of this folder have names of packages."""
    from django.test.utils import override_settings

    from tests.support.store import empty_samples

    def serve(message: dict[str, Any]) -> bool:
        if "clear" in message:
            empty_samples()
        elif "sample" in message:
            _store(message["sample"])
        else:
            return False
        return True

    with override_settings(TELEMETRY_RETENTION_DAYS=0):
        server.empty()
        yield from outcomes_of("The scenarios' process", command, serve)


def _store(sample: Mapping[str, Any]) -> None:
    """By the way of every sample."""
    # Only where Django has been set up.
    from meters import wire
    from meters.store.write import store_batch
    from telemetry_site.clock import now_us

    resource = wire.Resource(
        sample["resource_id"], sample["project_id"], sample["user_id"], "generic",
        sample["resource_metadata"], sample["source"],
    )  # fmt: skip
    series = wire.Series(0, sample["counter_name"], sample["counter_unit"], sample["counter_type"])
    columns = [0], [_micros(sample["timestamp"])], [float(sample["counter_volume"])]
    result = store_batch(
        wire.Batch(
            v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id="compat", created_at=now_us(),
            samples=wire.pack_samples(wire.Catalogue([resource], [series]), *columns),
        )
    )  # fmt: skip
    assert not result.problems, result.problems


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
