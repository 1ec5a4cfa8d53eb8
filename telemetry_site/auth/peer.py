"""Whose request it is: as far back as our own proxies can tell."""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import receiver
from django.http import HttpRequest
from django_structlog.signals import bind_extra_request_metadata
from rest_framework.throttling import BaseThrottle


def address_of(request: HttpRequest | None) -> str:
    """The client's address; proxies are believed as far as the setting NUM_PROXIES says."""
    if request is None:
        return ""
    if "HTTP_X_FORWARDED_FOR" not in request.META:  # usual, and no need to gather the headers
        return str(request.META.get("REMOTE_ADDR", ""))
    return BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]


@receiver(bind_extra_request_metadata)
def _bind_address(request: HttpRequest, **_more: Any) -> None:
    """Every line of the log that a request leaves names it."""
    structlog.contextvars.bind_contextvars(ip=address_of(request))
