"""Who may open a page (reliability UI1): session, project scope, operator's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.core.exceptions import BadRequest, PermissionDenied
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from meters.ui.views.errors import bad_request
from telemetry_site.auth.principal import Principal, principal_of


class PageRequest(HttpRequest):
    """A request of somebody signed in, as the views below get it."""

    principal: Principal
    htmx: HtmxDetails


WITHOUT_PROJECT = (
    "Your account is a member of no project, so there is nothing for it to see. "
    "Ask an operator to add it under Admin → Memberships."
)
P = ParamSpec("P")
PageView = Callable[Concatenate[PageRequest, P], HttpResponse]
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
_signer = Signer(salt="meters.ui.next")


def page(view: PageView[P]) -> View[P]:
    """A page for everybody who is signed in; `request.principal` says who that is."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return to_login(request)
        asked = cast(PageRequest, request)
        asked.principal = principal_of(request)
        if not asked.principal.has_project:
            raise PermissionDenied(WITHOUT_PROJECT)
        try:
            return view(asked, *args, **kwargs)
        except BadRequest as error:  # handled here, since Django would log a traceback for it
            return bad_request(request, error)

    return guarded


def operator_page(view: PageView[P]) -> View[P]:
    """A page about the installation itself: admins only, others get the 403 page."""

    @wraps(view)
    def guarded(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.principal.is_admin:
            raise PermissionDenied("This page is for operators of the installation.")
        return view(request, *args, **kwargs)

    return page(guarded)


def to_login(request: HttpRequest) -> HttpResponse:
    """302 to the login; for a part asked for by htmx 401 with `HX-Redirect`."""
    if request.headers.get("HX-Request") != "true":
        return redirect(login_url(request.get_full_path()))
    here = cast(PageRequest, request).htmx.current_url_abs_path or "/"
    return HttpResponse(status=401, headers={"HX-Redirect": login_url(here)})


def login_url(target: str) -> str:
    """The way back travels signed in the URL, so that no session is needed before login (S9)."""
    return f"{reverse('ui:login')}?{urlencode({'next': _signer.sign(target)})}"


def signed_target(token: str) -> str:
    """The target of `login_url`, or "" when it was tampered with or leads elsewhere (S10)."""
    try:
        target = _signer.unsign(token)
    except BadSignature:
        return ""
    return target if is_relative(target) else ""


def is_relative(target: str) -> bool:
    return target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
