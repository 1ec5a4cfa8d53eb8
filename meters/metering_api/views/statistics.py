"""Statistics of a meter's samples (telemetry-api.md 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from meters.classic_statistics import Partials, clamp_duration, rows
from meters.metering_api import grouping
from meters.metering_api.base import MeteringView
from meters.metering_api.grouping import Groups
from meters.metering_api.shapes import statistic_json
from meters.metering_api.whole import refuse_more_rows_than, summarised
from meters.wsme.errors import bad
from meters.wsme.simple import NAMES

#: Beyond 3 000 years the end of a period may be no time.
LONGEST_PERIOD_S = 100_000_000_000


class Statistics(MeteringView):
    parameters = (*NAMES, "groupby", "period", "aggregate.func", "aggregate.param")

    def get(self, request: Request, meter: str) -> HttpResponse:
        query, period_s = self.asked_of_meter(meter), self._period()
        fields = grouping.check_groupby(self.arguments().getlist("groupby"))
        aggregates = grouping.check_aggregates(
            self.arguments().getlist("aggregate.func"), self.arguments().getlist("aggregate.param")
        )
        stretches = self.find(replace(query.asked, paths=grouping.paths(fields)))
        period_us = period_s * 1_000_000 or None
        most: int = settings.TELEMETRY_CLASSIC_MAX_ROWS
        partials, origin_us = summarised(stretches, query.bounds, period_us, most)
        if partials is None:
            return self._of_samples([])
        groups = grouping.group(stretches.all, fields)
        _refuse_too_many(partials, groups, most)
        labels = grouping.labels(stretches.all, aggregates)
        listed: list[Any] = []
        for row in rows(partials, period_us, origin_us, groups.codes, labels):
            clamped = clamp_duration(row, query.bounds.lower_us, query.bounds.upper_us)
            values = groups.values[row["group"]] if fields else None
            unit = groups.units[row["group"]]
            listed.append(statistic_json(clamped, unit, values, period_s, aggregates))
        return self._of_samples(listed)

    def _of_samples(self, listed: list[Any]) -> HttpResponse:
        """Never of aggregates, which may be kept for longer."""
        response = self.answer(listed)
        response["X-Statistics-Source"] = "raw"
        return response

    def _period(self) -> int:
        """In seconds; 0: all in one."""
        period_s = self.whole_number("period") or 0
        if period_s < 0:
            raise bad("Period must be positive.")
        if period_s > LONGEST_PERIOD_S:
            raise bad(f"Invalid period {period_s}: at most {LONGEST_PERIOD_S} seconds are allowed")
        return period_s


def _refuse_too_many(partials: Partials, groups: Groups, most: int) -> None:
    if len(partials.counts) <= most:
        return
    codes = np.asarray(groups.codes, dtype=np.int64)[partials.index]
    refuse_more_rows_than(most, len(np.unique(np.stack([partials.period, codes]), axis=1).T))
