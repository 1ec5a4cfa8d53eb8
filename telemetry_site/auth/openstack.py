"""The ways into the OpenStack doors (metric, alarming and metering API), in the order tried.

1. `X-Auth-Token`, or `Authorization: Bearer`: a token of ours (tlm_…), or Keystone's.
2. `Authorization: Basic` with a token of ours as the password, whatever the name: for clients
   that know no Keystone. Or a name that is believed: the clients' basic mode.
3. `X-User-Id`, `X-Project-Id`, `X-Roles`, believed: the clients' noauth mode.
4. The session of somebody signed in, with the CSRF check.

Believed names and 3 are off unless TELEMETRY_BASIC_AUTH or TELEMETRY_NOAUTH is set, and are for
peers in TELEMETRY_NOAUTH_NETWORKS only (S35). Identity headers are read nowhere else (S12).
`telemetry_site.auth.caller.caller_of` gives the caller; None is anonymous, which the view judges.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.contrib.auth.models import User
from rest_framework import authentication
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ParseError,
    PermissionDenied,
)
from rest_framework.request import Request

from telemetry_site.auth import tokens
from telemetry_site.auth.authentication import BAD_TOKEN, find_token, refuse_token_in_url
from telemetry_site.auth.caller import LONGEST_ID, Caller, UnusableIdError, of_name, of_project
from telemetry_site.auth.keystone import KeystoneError, token_cache
from telemetry_site.auth.principal import Principal, principal_of_token, principal_of_user
from telemetry_site.settings.keystone import KeystoneAccess

#: What can be a token at all; nothing else is sent on to Keystone.
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
#: An id in a header that is believed. Repeated headers arrive joined by a comma.
_ID = re.compile(r"[\x21-\x2b\x2d-\x39\x3b-\x7e]{0,255}", re.ASCII)
_ROLES = re.compile(r"[\x20-\x7e]{0,1024}", re.ASCII)


class IdentityUnavailableError(APIException):
    """Nobody can say now whose token it is. Never with Retry-After: gnocchiclient dies of it."""

    status_code = 503
    default_code = "identity_unavailable"


class TokenAuthentication(BaseAuthentication):
    """Way 1. Without Keystone an `X-Auth-Token` that is none of ours is not looked at."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        refuse_token_in_url(request)
        text = request.META.get("HTTP_X_AUTH_TOKEN", "").strip()
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not text and scheme.lower() == "bearer":
            text = credentials.strip()
            if not text.startswith(tokens.PREFIX):
                raise AuthenticationFailed(BAD_TOKEN)
        if not text:
            return None
        if text.startswith(tokens.PREFIX):
            return _caller_of_own(text), None
        if settings.TELEMETRY_KEYSTONE is None:
            return None
        return _caller_of_keystone(text, settings.TELEMETRY_KEYSTONE), None

    def authenticate_header(self, request: Request) -> str:
        """A challenge, so that anonymous is 401."""
        if settings.TELEMETRY_KEYSTONE is None:
            return 'Bearer realm="telemetry"'
        return f'Keystone uri="{settings.TELEMETRY_KEYSTONE.auth_url}"'


class BasicAuthentication(BaseAuthentication):
    """Way 2: the name before the colon. What is no such header is anonymous."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        name, password = login_of(request.META.get("HTTP_AUTHORIZATION", ""))
        if password.startswith(tokens.PREFIX):
            return _caller_of_own(password), None
        if not settings.TELEMETRY_BASIC_AUTH or not name:
            return None
        _refuse_unbelieved(request)
        return of_name(name), None


class HeaderAuthentication(BaseAuthentication):
    """Way 3; none of the three headers is anonymous."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        if not settings.TELEMETRY_NOAUTH:
            return None
        headers = {
            name: request.headers[name]
            for name in ("X-User-Id", "X-Project-Id", "X-Domain-Id", "X-Roles")
            if name in request.headers
        }
        if not headers.keys() - {"X-Domain-Id"}:
            return None
        _refuse_unbelieved(request)
        for name, text in headers.items():
            if not (_ROLES if name == "X-Roles" else _ID).fullmatch(text):
                raise ParseError(f"{name} is sent twice, or is not what it should be.")
        roles = (role.strip().lower() for role in headers.get("X-Roles", "").split(","))
        caller = of_project(
            headers.get("X-User-Id", ""),
            headers.get("X-Project-Id", ""),
            frozenset(filter(None, roles)),
            domain_id=headers.get("X-Domain-Id", ""),
        )
        return caller, None


class SessionAuthentication(authentication.SessionAuthentication):
    """Way 4: Django's session; what is not only reading needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        assert isinstance(user, User)
        return _caller_of_principal(principal_of_user(user)), None


WAYS_IN: list[type[BaseAuthentication]] = [
    TokenAuthentication,
    BasicAuthentication,
    HeaderAuthentication,
    SessionAuthentication,
]


def login_of(header: str) -> tuple[str, str]:
    """Name and password of `basic base64(name:password)`, or "" twice for anything else. Never
    raises."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    name, colon, password = text.partition(":")
    is_name = colon and name.isprintable() and len(name) <= LONGEST_ID
    return (name, password) if is_name else ("", "")


def _refuse_unbelieved(request: Request) -> None:
    """By the address of the socket, whatever the request says; "" is a unix socket."""
    address = request.META.get("REMOTE_ADDR", "")
    if not address:
        return
    peer = _peer_of(address)
    if not any(peer in network for network in settings.TELEMETRY_NOAUTH_NETWORKS):
        raise AuthenticationFailed("Nobody is believed by his name alone from this address.")


@lru_cache(1000)
def _peer_of(address: str) -> IPv4Address | IPv6Address:
    peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    return (isinstance(peer, IPv6Address) and peer.ipv4_mapped) or peer


def _caller_of_keystone(text: str, access: KeystoneAccess) -> Caller:
    if not _TOKEN.fullmatch(text):
        raise AuthenticationFailed(BAD_TOKEN)
    try:
        caller = token_cache(access).caller(text)
    except KeystoneError as error:
        raise IdentityUnavailableError(
            f"{error} So nobody can say who you are; try again later."
        ) from None
    if caller is None:
        raise AuthenticationFailed(BAD_TOKEN)
    return caller


def _caller_of_own(text: str) -> Caller:
    token = find_token(text)
    if token is None:
        raise AuthenticationFailed(BAD_TOKEN)
    tokens.note_use(token)
    return _caller_of_principal(principal_of_token(token))


def _caller_of_principal(principal: Principal) -> Caller:
    """Acts for the one project that there is; of several, for none.

    An administrator of a project is none of the cloud, and a reader's token only reads.
    """
    project_id = next(iter(principal.projects)) if len(principal.projects) == 1 else ""
    role = principal.roles.get(project_id)
    roles: set[str] = {"member" if role == "admin" else role} if role else set()
    if principal.is_admin:
        roles.add("admin")
    scopes = principal.scopes if principal.may_write(project_id) else principal.scopes & {"read"}
    try:
        return of_project(principal.user_id, project_id, frozenset(roles), scopes=scopes)
    except UnusableIdError as error:
        raise PermissionDenied(str(error)) from None
