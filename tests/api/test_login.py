"""Guessing passwords gets slower and slower (S11)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory

from meters.housekeeping import keep_house
from telemetry_site import clock
from telemetry_site.auth import throttle
from telemetry_site.auth.forms import LoginForm
from telemetry_site.auth.models import LoginAttempts
from tests.api.people import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("anna", password=PASSWORD)


def request(address: str = "10.0.0.1") -> HttpRequest:
    return RequestFactory().post("/login/", REMOTE_ADDR=address)


def attempt(password: str, name: str = "anna", address: str = "10.0.0.1") -> list[str]:
    """The form's errors; none = logged in."""
    form = LoginForm(request(address), {"username": name, "password": password})
    return [str(error) for errors in form.errors.values() for error in errors]


def pass_time(seconds: int) -> None:
    for row in LoginAttempts.objects.all():
        row.blocked_until -= timedelta(seconds=seconds)
        row.save()


def test_the_right_password_logs_in(user: User) -> None:
    assert attempt(PASSWORD) == []


def test_after_five_wrong_ones_even_the_right_one_waits(user: User) -> None:
    for _ in range(throttle.ACCOUNT.free):
        assert attempt("wrong") == ["The name or the password is wrong."]
    assert attempt(PASSWORD) == ["Too many attempts. Try again in 1 seconds."]
    pass_time(1)
    assert attempt(PASSWORD) == []


def test_each_further_attempt_doubles_the_wait_up_to_a_limit() -> None:
    waits = [throttle.ACCOUNT.wait_s(attempts) for attempts in (4, 5, 6, 7, 8, 50, 10**6)]
    assert waits == [0, 1, 2, 4, 8, 300, 300]


def test_success_forgets_the_account(user: User) -> None:
    for _ in range(throttle.ACCOUNT.free - 1):
        attempt("wrong")
    assert attempt(PASSWORD) == []
    assert attempt("wrong") == ["The name or the password is wrong."]
    assert attempt(PASSWORD) == []


def test_an_unknown_account_says_and_waits_the_same(user: User) -> None:
    known = [attempt("wrong") for _ in range(7)]
    unknown = [attempt("wrong", name="nobody", address="10.0.0.2") for _ in range(7)]
    assert known == unknown


def test_one_address_over_many_accounts_waits_too(db: None) -> None:
    answers = [attempt("wrong", name=f"user{n}") for n in range(throttle.ADDRESS.free + 1)]
    assert "Too many attempts" in answers[-1][0]
    assert "wrong" in answers[-2][0]
    assert "wrong" in attempt("wrong", name="other", address="10.0.0.9")[0]


def test_a_forwarded_header_buys_no_fresh_budget(user: User) -> None:
    for place in range(throttle.ADDRESS.free + 1):
        one = RequestFactory().post(
            "/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"1.1.1.{place}"
        )
        authenticate(one, username=f"user{place}", password="wrong")
    assert "Too many" in attempt("wrong", name="fresh")[0]


def test_what_was_typed_is_not_stored(user: User) -> None:
    attempt("x", name="my-password-by-mistake")
    assert "my-password" not in "".join(LoginAttempts.objects.values_list("key", flat=True))


def test_old_attempts_are_forgotten_and_pruned(user: User) -> None:
    for _ in range(throttle.ACCOUNT.free + 1):
        attempt("wrong")
    long_ago = clock.now() - throttle.FORGET_AFTER - timedelta(hours=1)
    LoginAttempts.objects.update(updated_at=long_ago, blocked_until=long_ago)
    assert "wrong" in attempt("wrong")[0]
    assert LoginAttempts.objects.get(key__startswith="account").attempts == 1
    LoginAttempts.objects.update(updated_at=long_ago)
    keep_house()
    assert LoginAttempts.objects.filter(updated_at=long_ago).count() == 0


@pytest.mark.django_db(transaction=True)
def test_thirty_attempts_at_once_are_thirty_attempts() -> None:
    looked_at: list[bool] = []

    def begin() -> None:
        looked_at.append(throttle.begin("anna", "") == 0)
        connection.close()

    threads = [threading.Thread(target=begin) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(looked_at) == throttle.ACCOUNT.free
