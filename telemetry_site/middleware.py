"""Headers on every answer (reliability S8), and no unsafe request from another site (S7)."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from telemetry_site.doors import is_foreign

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
#: django-unfold is written with Alpine, whose expressions are evaluated as code, and puts its
#: theme's colours into a <style>: `/admin/` needs both, and nothing else gets either. Inline
#: scripts stay forbidden there too, so text from data still can't become code.
ADMIN_CSP = CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
#: Nothing here needs the machine's senses, nor does anything framed by mistake.
DENIED_FEATURES = ("accelerometer", "camera", "geolocation", "microphone", "payment", "usb")
PERMISSIONS = ", ".join(f"{feature}=()" for feature in DENIED_FEATURES)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")

Handler = Callable[[HttpRequest], HttpResponse]


def security_headers(get_response: Handler) -> Handler:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        admin = request.path.startswith("/admin/")
        response.setdefault("Content-Security-Policy", ADMIN_CSP if admin else CSP)
        response.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.setdefault("Permissions-Policy", PERMISSIONS)
        if not request.path.startswith("/static/"):
            response.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def refuse_cross_site(get_response: Handler) -> Handler:
    """Browsers say where a request comes from; an unsafe one from another site is nobody's will.

    The OpenStack doors are called from other sites' pages too; a cookie is good for nothing unsafe
    there without the CSRF token.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        site = request.META.get("HTTP_SEC_FETCH_SITE")
        is_unsafe = request.method not in SAFE_METHODS and not is_foreign(request)
        if is_unsafe and site == "cross-site":
            raise PermissionDenied(
                "This request came from another site, so it was not carried out."
            )
        return get_response(request)

    return middleware


def no_body_for_head(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """An answer to HEAD has the headers of GET and no body; views need not know."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return middleware


class MessagesOfPages(MessageMiddleware):
    """Programs get no page to show a message on: its storage is a tenth of a short request."""

    def process_request(self, request: HttpRequest) -> None:
        if not is_foreign(request):
            super().process_request(request)
