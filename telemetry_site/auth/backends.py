"""Passwords, throttled: the one place through which every login form goes."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from telemetry_site.auth import throttle
from telemetry_site.auth.peer import address_of

log = structlog.get_logger(__name__)


class LoginThrottledError(PermissionDenied):
    """Too many attempts: ends the attempt before the password is looked at."""


class ThrottledBackend(ModelBackend):
    """Django's own backend behind `throttle`; tells the form the wait as `request.login_wait_s`."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username is None or password is None:
            return None
        address = address_of(request)
        wait_s = throttle.begin(username, address)
        if wait_s:
            log.warning("login throttled", wait_s=wait_s, address=address)
            if request is not None:
                request.login_wait_s = wait_s  # type: ignore[attr-defined]
            raise LoginThrottledError
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            log.info("login failed", address=address)
        else:
            throttle.succeeded(username, address)
        return user
