"""Array literals of ours are read by PostgreSQL as what was meant."""

from __future__ import annotations

import pytest
from django.db import DataError, connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from telemetry_site.arrays import plain_array, text_array

TEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


class TestArrays(TestCase):
    @given(TEXTS | st.lists(st.sampled_from(["", '"', "\\", "NULL", "{}", ",", "a'b", "%s", "\n"])))
    def test_any_texts_come_through(self, texts: list[str]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::text[]", [text_array(texts)])
            assert cursor.fetchone()[0] == texts

    @given(st.lists(st.integers(-(2**63), 2**63 - 1)))
    def test_any_numbers_come_through(self, numbers: list[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::bigint[]", [plain_array(numbers)])
            assert cursor.fetchone()[0] == numbers

    def test_a_nul_is_refused(self) -> None:
        with connection.cursor() as cursor, pytest.raises(DataError, match="NUL"):
            cursor.execute("SELECT %s::text[]", [text_array(["\0"])])
