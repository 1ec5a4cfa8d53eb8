"""What each of the doors can do, in the keys of the originals."""

from __future__ import annotations

_READY = {"storage:production_ready": True}
ALARMS = {
    "alarms:history:query:complex": True,
    "alarms:history:query:simple": True,
    "alarms:query:complex": True,
    "alarms:query:simple": True,
}
ALARM_STORAGE = {"alarm_storage": _READY}
EVENTS = {"events:query:simple": True}
EVENT_STORAGE = {"event_storage": _READY}
METERS = {
    f"{what}:query:{how}": True
    for what, ways in {
        "meters": ("simple", "metadata"),
        "resources": ("simple", "metadata"),
        "samples": ("simple", "metadata", "complex"),
        "statistics": ("simple", "metadata"),
    }.items()
    for how in ways
} | {
    "statistics:groupby": True,
    "statistics:aggregation:standard": True,
    **{
        f"statistics:aggregation:selectable:{function}": True
        for function in ("max", "min", "sum", "avg", "count", "stddev", "cardinality")
    },
}
METER_STORAGE = {"storage": _READY}
