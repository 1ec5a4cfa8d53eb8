from __future__ import annotations

from importlib import import_module

from django.db import migrations

_POINTS = import_module("meters.migrations.0011_points")
_WANTED = "WHERE series_id + 0 = ANY($1) AND timestamp >= $2 AND timestamp < $3 AND (%s)',\n"
_GIVEN = "slot.number, slot.number, near), ' UNION ALL ')"
#: Between the statement that lists the slots and the one that reads them the ring may have gone all
#: round: a listed slot then holds rows of a later opening, while those between stand in slots that
#: are not listed. What such a slot held when it was listed is packed by then, and its new rows are
#: later than the reading: they are left out.
FORWARD = (
    _POINTS.FORWARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace(
        _WANTED,
        _WANTED.replace(
            "AND (%s)',\n",
            "AND (%s)\n"
            "            AND (SELECT sequence FROM meters_headslot WHERE number = %s) = %s',\n",
        ),
    )
    .replace(
        _GIVEN,
        "slot.number, slot.number, near, slot.number, slot.sequence), ' UNION ALL ')",
    )
)
assert FORWARD.count("slot.sequence)") == 1
BACK = _POINTS.FORWARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("meters", "0013_refused_publications")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
