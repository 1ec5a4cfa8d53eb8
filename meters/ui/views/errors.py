"""Error pages in the house's style. They say what to do, and never what is inside."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    context = {"status": status, "title": title, "text": text}
    return render(request, "ui/error.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        text = (
            "This name is not one of the installation's. Operators: see the setting ALLOWED_HOSTS."
        )
    elif isinstance(exception, BadRequest):
        text = str(exception)
    else:
        text = "The request could not be understood."
    return _page(request, 400, "That address can't be right", text)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    own = str(exception) if isinstance(exception, PermissionDenied) else ""
    return _page(request, 403, "Not for this account", own or "Your account may not do this.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = "There is no such page, or it belongs to a project that you are not a member of."
    return _page(request, 404, "Nothing here", text)


def server_error(request: HttpRequest) -> HttpResponse:
    text = "Something broke on our side. It is in the log of the web process."
    return _page(request, 500, "This went wrong", text)


def csrf_failure(request: HttpRequest, reason: str = "", **_: Any) -> HttpResponse:
    """Mostly a proxy in front that the settings don't know: say which setting that is."""
    origin = request.headers.get("Origin") or f"{request.scheme}://{request.get_host()}"
    if origin != "null" and origin.rstrip("/") != settings.SITE_URL.rstrip("/"):
        text = (
            f"The browser came from {origin}, but the setting SITE_URL is {settings.SITE_URL}. "
            f"Operators: set SITE_URL={origin} and restart the web process."
        )
    else:
        text = f"{reason.rstrip('.')}. Reload the page and try again; cookies must be allowed."
    return _page(request, 403, "The form could not be trusted", text)
