"""The form of API tokens (S47)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_site.auth import tokens

SECRETS = st.binary(min_size=32, max_size=32)
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(SECRETS)
def test_what_is_assembled_is_parsed_back(secret: bytes) -> None:
    text = tokens.assemble(secret)
    assert len(text) == len(tokens.PREFIX) + 43 + 6
    assert tokens.PATTERN.fullmatch(text)
    assert tokens.parse(text) == secret


@given(SECRETS, st.integers(4, 52), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(secret: bytes, place: int, char: str) -> None:
    text = tokens.assemble(secret)
    wrong = text[:place] + char + text[place + 1 :]
    if wrong != text:
        with pytest.raises(tokens.TokenError):
            tokens.parse(wrong)


@given(SECRETS, st.integers(4, 51))
def test_two_swapped_characters_are_noticed(secret: bytes, place: int) -> None:
    text = tokens.assemble(secret)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if swapped != text:
        with pytest.raises(tokens.TokenError):
            tokens.parse(swapped)


@given(st.text())
def test_any_other_text_is_refused_without_an_accident(text: str) -> None:
    with pytest.raises(tokens.TokenError):
        tokens.parse(text)


def test_new_tokens_differ() -> None:
    assert len({tokens.new_token() for _ in range(100)}) == 100
