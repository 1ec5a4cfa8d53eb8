"""The two ways into the API: a token in `Authorization: Bearer`, or the browser's session."""

from __future__ import annotations

from urllib.parse import unquote_plus

import structlog
from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.request import Request

from telemetry_site.auth import tokens
from telemetry_site.auth.models import ApiToken

log = structlog.get_logger(__name__)

#: One text for unknown, revoked, expired and orphaned: nobody learns which (S11).
BAD_TOKEN = "The token is unknown, expired or revoked."


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer tlm_…`. With that header a session cookie is not looked at."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiToken] | None:
        refuse_token_in_url(request)
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("This API takes `Authorization: Bearer <token>` only.")
        token = find_token(text.strip())
        if token is None:
            raise AuthenticationFailed(BAD_TOKEN)
        tokens.note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="telemetry"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session, with the CSRF check, for the pages' own scripts and Swagger UI."""


def find_token(text: str) -> ApiToken | None:
    """The live token; text that can't be one costs no query."""
    try:
        tokens.parse(text)
    except tokens.TokenError:
        return None
    return tokens.find_live(text)


def refuse_token_in_url(request: Request) -> None:
    """URLs end up in logs and histories, so a token found in one is revoked at once (S47)."""
    found = tokens.PATTERN.findall(unquote_plus(request.META.get("QUERY_STRING", "")))
    if not found:
        return
    for text in found:
        if tokens.revoke_text(text):
            log.warning("token revoked: it stood in a URL", token=text[:12], path=request.path)
    raise ParseError(
        "A token may not stand in a URL. It has been revoked: make a new one and send it as "
        "`Authorization: Bearer <token>`."
    )
