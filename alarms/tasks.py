"""The evaluator's and the notifier's tasks. Thin: what they do stands in those packages.

Each is a hint (X1): what is to be done stands in rows with a due time, and the next run is the
retry of one that fails.
"""

from __future__ import annotations

from alarms.evaluator.counting import measure
from alarms.evaluator.cycle import evaluate_due
from alarms.muting.releasing import release
from alarms.notifier import watchdog
from alarms.notifier.delivery import send_due
from alarms.notifier.putback import mend
from alarms.notifier.sweep import sweep
from alarms.telling.grouping import tell
from telemetry_site.celery import app
from telemetry_site.database import left_to_the_next_run


@app.task(name="alarms.tasks.evaluate_due_alarms", queue="evaluator")
def evaluate_due_alarms() -> None:
    """Evaluate every alarm that is due. A database that is away is no gap in the data: no alarm
    changes its state because of it."""
    with left_to_the_next_run("evaluation"):
        evaluate_due()
        watchdog.after_cycle()


@app.task(name="alarms.tasks.tell_watchdog", queue="notifier")
def tell_watchdog() -> None:
    """Tell somebody outside that alarms are evaluated."""
    watchdog.tell()


@app.task(name="alarms.tasks.measure_alarms", queue="evaluator")
def measure_alarms() -> None:
    """Count alarms by their states for the operator's metrics: a look at all of them, so not at
    each tick."""
    with left_to_the_next_run("measuring alarms"):
        measure()


@app.task(name="alarms.tasks.send_notifications", queue="notifier")
def send_notifications() -> None:
    """Send what is due in the outbox."""
    with left_to_the_next_run("sending"):
        send_due()


@app.task(name="alarms.tasks.sweep_outbox", queue="notifier")
def sweep_outbox() -> None:
    """Mend the waits of a clock that was put back, let go what no silence keeps back any more, make
    the messages of routes, find what is due though nobody said so, and measure the outbox."""
    with left_to_the_next_run("outbox"):
        mend()
    with left_to_the_next_run("outbox"):
        release()
    with left_to_the_next_run("outbox"):
        tell()
    with left_to_the_next_run("outbox"):
        sweep()
