from __future__ import annotations

import pytest

from meters.ui import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (12.0, "12"),
        (3.14159, "3.142"),
        (0.00123, "0.0012"),
        (99.95, "99.95"),
        (12345.6, "12\u202f346"),
        (-1234567.0, "-1\u202f234\u202f567"),
        (1e-7, "1.000e-07"),
        (1.7e308, "1.700e+308"),
        (float("nan"), "\u2013"),
    ],
)
def test_numbers_have_four_digits_that_matter(value: float, shown: str) -> None:
    assert formats.number(value) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (1536.0, "B", ("1.5", "KiB")),
        (512.0, "MB", ("512", "MiB")),
        (2048.0, "MB", ("2", "GiB")),
        (1024.0, "KB", ("1", "MiB")),
        (3072.0, "B/s", ("3", "KiB/s")),
        (2048.0, "KB/s", ("2", "MiB/s")),
        (1.5e9, "ns", ("1.5", "s")),
        (5e8, "ns/s", ("0.5", "s/s")),
        (12.5, "%", ("12.5", "%")),
        (7.0, "", ("7", "")),
        (3.0, "requests/s", ("3", "requests/s")),
    ],
)
def test_bytes_get_binary_prefixes_and_unknown_units_stay(
    value: float, unit: str, shown: tuple[str, str]
) -> None:
    assert formats.quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0034, "3 ms"),
        (1.25, "1.2 s"),
        (9.0, "9 s"),
        (59.0, "59 s"),
        (119.0, "119 s"),
        (600.0, "10 min"),
        (7300.0, "2 h"),
        (86400.0, "1 d"),
        (30 * 86400.0, "30 d"),
    ],
)
def test_durations_have_one_unit(seconds: float, shown: str) -> None:
    assert formats.duration(seconds) == shown


def test_counts_get_short() -> None:
    assert [formats.compact(value) for value in (0, 950, 12_345, 4_100_000)] == [
        "0",
        "950",
        "12.3k",
        "4.1M",
    ]
