"""What an operator sees at the console; and the way from a notification to a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from meters import wire
from pollers.notification import loading
from pollers.notification.tasks import handle_notifications
from pollers.publishers.configured import configured
from telemetry_site.celery import app
from telemetry_site.queues import answering, depth
from tests.support.notifications import packed, raw_batch, volume

PIPELINE = """
sources:
  - {{name: all, meters: ["*"], sinks: [far]}}
sinks:
  - {{name: far, publishers: ["file://{file}"]}}
"""


@pytest.fixture
def target(settings: Any, tmp_path: Path) -> Any:
    """The one of a pipeline file."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(PIPELINE.format(file=tmp_path / "samples"))
    settings.TELEMETRY_METER_PIPELINE = str(pipeline)
    loading.current_converter.cache_clear()
    [found], wrong = configured()
    assert wrong == []
    yield found
    loading.current_converter.cache_clear()


def test_a_notification_goes_where_its_pipeline_says(lines: Any, target: Any) -> None:
    line = lines(target.name, gets_all=False)
    raw = wire.encode(raw_batch(packed(volume())))
    handle_notifications.run(raw)
    handle_notifications.run(raw)

    assert line.work() == 2
    assert {one.meter for one in line.sink.samples} == {"volume.size"}
    assert len(line.sink.samples) == 1, "a raw batch that comes again is a copy"
    with answering(app) as connection:
        assert depth(connection, "collector") == 2


def test_targets_and_backlogs_are_listed_and_one_can_be_forgotten(
    lines: Any, target: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TELEMETRY_PUBLISHERS = ["lan=http://u:hidden@h/x"]
    lines(target.name, gets_all=False)
    handle_notifications.run(wire.encode(raw_batch(packed(volume()))))
    call_command("publishers", "--format", "json")
    text = capsys.readouterr().out

    assert json.loads(text) == {
        "publishers": [
            {"name": target.name, "target": target.address.url, "gets": "what pipelines say",
             "waiting": 1},
            {"name": "lan", "target": "http://h/x", "gets": "everything", "waiting": 0},
        ],
        "wrong": [],
    }  # fmt: skip
    call_command("publishers")
    assert "lan" in capsys.readouterr().out
    with pytest.raises(CommandError, match="lan is published to"):
        call_command("publishers", "--forget", "lan")
    settings.TELEMETRY_METER_PIPELINE = ""
    call_command("publishers", "--forget", target.name)
    with answering(app) as connection:
        assert depth(connection, f"publisher.{target.name}") == 0


def test_a_setting_that_is_wrong_ends_the_role_and_its_list_says_why(
    broker: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TELEMETRY_PUBLISHERS = ["lan=htp://u:hidden@h/x"]

    with pytest.raises(CommandError) as said:
        call_command("publish")
    assert str(said.value) == "TELEMETRY_PUBLISHERS: lan: there is no publisher 'htp'"
    with pytest.raises(SystemExit):
        call_command("publishers", "--format", "json")
    assert "hidden" not in capsys.readouterr().out
