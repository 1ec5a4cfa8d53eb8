"""Samples that are read of notifications by code: requests, and sensors of Ironic's nodes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.notifications import PROJECT, USER, convert, message

HEADERS = {
    "HTTP_X_SERVICE_NAME": "nova", "HTTP_X_USER_ID": USER, "HTTP_X_PROJECT_ID": PROJECT,
    "HTTP_X_AUTH_TOKEN": "gAAAAA", "HTTP_COOKIE": "a=b", "PATH_INFO": "/v2.1/servers",
}  # fmt: skip


def sensor(name: str, reading: Any, **fields: Any) -> dict[str, Any]:
    return {"Sensor ID": name, "Sensor Reading": reading, **fields}


def sensors(**kinds: Any) -> dict[str, Any]:
    return message(
        "hardware.ipmi.metrics.update",
        {
            "node_uuid": "n1",
            "timestamp": "2026-11-25T02:00:00",
            "event_type": "hardware.ipmi.metrics.update",
            "payload": kinds,
        },
    )


@pytest.mark.parametrize("kind", ["request", "response"])
def test_a_request_counts_one_for_its_service(kind: str) -> None:
    result = convert(message(f"http.{kind}", {"request": HEADERS}))

    assert result.samples == {f"http.{kind}": (1.0, kind, "delta")}
    assert (result.resource.id, result.resource.project_id, result.resource.user_id) == (
        "nova", PROJECT, USER,
    )  # fmt: skip
    assert result.resource.metadata["request"] == {
        key: value
        for key, value in HEADERS.items()
        if key not in ("HTTP_X_AUTH_TOKEN", "HTTP_COOKIE")
    }


def test_a_request_without_headers_is_an_event_only() -> None:
    result = convert(message("http.request", {"typeURI": "audit"}))

    assert result.samples == {}
    assert result.event.event_type == "http.request"
    assert not result.batch.rejects


def test_sensors_of_each_type_give_their_readings() -> None:
    result = convert(
        sensors(
            Temperature={"a": sensor("System Temp (0x1)", "21 (+/- 0) degrees C")},
            Current={"b": sensor("Avg Power (0x2)", "130 (+/- 0) Watts")},
            Voltage={"c": sensor("CMOS Battery (0x3)", "3.137 (+/- 0.005) Volts")},
            Fan={"d": sensor("Fan 1 (0x4)", "6900 (+/- 300) RPM")},
        )
    )

    assert result.samples == {
        "hardware.ipmi.temperature": (21.0, "C", "gauge"),
        "hardware.ipmi.current": (130.0, "W", "gauge"),
        "hardware.ipmi.voltage": (3.137, "V", "gauge"),
        "hardware.ipmi.fan": (6900.0, "RPM", "gauge"),
    }
    assert {row["resource"].id for row in result.rows} == {
        "n1-system_temp_(0x1)", "n1-avg_power_(0x2)", "n1-cmos_battery_(0x3)", "n1-fan_1_(0x4)",
    }  # fmt: skip
    assert {row["time"] for row in result.rows} == {"2026-11-25T02:00:00+00:00"}
    assert result.resource.metadata["node"] == "n1"


def test_a_sensor_that_is_off_and_power_among_currents_give_nothing() -> None:
    result = convert(
        sensors(
            Temperature={"a": sensor("Temp", "Disabled")},
            Current={"b": sensor("Pwr Consumption (0x5)", "154 (+/- 0) Watts")},
        )
    )

    assert result.samples == {}
    assert result.tally.empty == 2
    assert not result.batch.rejects


@pytest.mark.parametrize(
    ("reading", "path"),
    [
        ("not a sensor", "payload.payload.Fan.a"),
        ({"Sensor Reading": "1 RPM"}, "payload.payload.Fan.a.Sensor ID"),
        (sensor("Fan", None), "payload.payload.Fan.a.Sensor Reading"),
        (sensor("Fan", "many RPM"), "payload.payload.Fan.a.Sensor Reading"),
        (sensor("Fan", "6900"), "payload.payload.Fan.a.Sensor Reading"),
    ],
)
def test_a_reading_that_is_none_is_rejected_by_its_place_and_the_others_count(
    reading: Any, path: str
) -> None:
    result = convert(sensors(Fan={"a": reading, "b": sensor("Fan 2", "1 (+/- 0) RPM")}))

    assert result.samples == {"hardware.ipmi.fan": (1.0, "RPM", "gauge")}
    assert (result.reject.reason, result.reject.path) == ("schema", path)
