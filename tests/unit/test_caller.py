"""Callers of the OpenStack doors: who is the creator of what, and which ids can be used."""

from __future__ import annotations

import pytest

from telemetry_site.auth.caller import Caller, UnusableIdError, of_name, of_project


def member(user: str, project: str, *roles: str) -> Caller:
    return of_project(user, project, frozenset(roles or ("member",)))


@pytest.mark.parametrize(
    ("caller", "creator", "is_creator"),
    [
        (member("u1", "p1"), "u1:p1", True),
        (member("u2", "p1"), "u1:p1", True),  # everybody in the project counts
        (member("u1", "p2"), "u1:p1", False),
        (member("u1", "p1"), "u1:p11", False),
        (member("u1", "p1"), "u1:xp1", False),
        (member("u1", "p1"), "p1", False),  # a name of the basic mode
        (member("u1", "p1"), "", False),
        (member("u1", "p1"), ":p1", True),
        (member("", "p1"), ":p1", True),
        (member("u1", ""), "u1:", True),
        (member("u1", ""), "u2:", False),
        (member("u1", ""), "", False),
        (of_name("joe"), "joe", True),
        (of_name("joe"), "jane", False),
        (of_name("joe"), "joe:p1", False),
        (of_name("joe"), "x:joe", False),
        (of_name("joe"), "", False),
        (of_name(""), "", False),  # what the system's own agents measured
    ],
)
def test_the_creator_is_the_same_or_of_the_same_project(
    caller: Caller, creator: str, is_creator: bool
) -> None:
    assert caller.is_creator(creator) is is_creator


def test_the_creator_is_user_and_project_or_the_name_alone() -> None:
    assert member("u1", "p1").creator == "u1:p1"
    assert member("", "").creator == ":"
    assert of_name("joe").creator == "joe"


def test_the_basic_modes_only_role_is_admins() -> None:
    assert of_name("admin").is_admin
    assert not of_name("Admin").is_admin
    assert of_name("joe").roles == frozenset()
    assert not of_name("joe").tenant_filtered


@pytest.mark.parametrize(
    ("caller", "has_place"),
    [
        (member("u1", "p1"), True),
        (member("u1", ""), False),
        (member("u1", "", "admin"), True),
        (member("u1", "", "service"), True),
        (of_name("joe"), True),
    ],
)
def test_who_is_in_no_project_has_no_place(caller: Caller, has_place: bool) -> None:
    assert caller.has_place is has_place


@pytest.mark.parametrize("text", ["a:b", ":", "a\0b", "x" * 256])
def test_an_id_that_could_pass_for_anothers_is_refused(text: str) -> None:
    with pytest.raises(UnusableIdError):
        member(text, "p1")
    with pytest.raises(UnusableIdError):
        member("u1", text)
    with pytest.raises(UnusableIdError):
        of_name(text)


def test_an_id_as_long_as_the_column_is_taken() -> None:
    assert member("x" * 255, "y" * 255).creator == f"{'x' * 255}:{'y' * 255}"
