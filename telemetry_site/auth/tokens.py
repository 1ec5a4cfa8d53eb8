"""API tokens (S47): `tlm_` + base64url of 32 random bytes + their CRC-32 in 6 characters.

The checksum lets secret scanners tell a token from noise, and us a typing error from a guess.
Only the SHA-256 of a token is stored.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Least, Now

from telemetry_site.auth.models import ApiToken
from telemetry_site.auth.principal import ALL_SCOPES, Principal, Scope

PREFIX = "tlm_"
SECRET_CHARS = 43
CHECKSUM_CHARS = 6
SHOWN_CHARS = 8
PATTERN = re.compile(r"tlm_[A-Za-z0-9_-]{49}", re.ASCII)
DEFAULT_DAYS = 90
MAX_DAYS = 365
#: "Last used" is exact to this, so that reading needs no write each time.
USED_RESOLUTION = timedelta(minutes=5)


class TokenError(ValueError):
    """A token that may not be made, or text that is no token."""


class QuotaError(TokenError):
    """The user has as many live tokens as one may have."""


def new_token() -> str:
    return assemble(secrets.token_bytes(32))


def assemble(secret: bytes) -> str:
    """The token of 32 random bytes."""
    body = _base64url(secret)
    return f"{PREFIX}{body}{_checksum(body)}"


def parse(text: str) -> bytes:
    """The 32 bytes of a token. Raises `TokenError` for anything that `assemble` did not make."""
    if not PATTERN.fullmatch(text):
        raise TokenError("not a token: expected tlm_ and 49 characters")
    body, checksum = text[len(PREFIX) : -CHECKSUM_CHARS], text[-CHECKSUM_CHARS:]
    if not secrets.compare_digest(checksum, _checksum(body)):
        raise TokenError("the token's checksum does not fit: a character was lost or changed")
    secret = base64.urlsafe_b64decode(body + "=")
    if _base64url(secret) != body:
        raise TokenError("not a token: its last character carries stray bits")
    return secret


def digest(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def find_live(text: str) -> ApiToken | None:
    """The token, if it is known, neither expired nor revoked, and its owner is active."""
    live = ApiToken.objects.filter(
        digest=digest(text), revoked_at=None, expires_at__gt=Now(), user__is_active=True
    )
    return live.select_related("user").first()


def note_use(token: ApiToken) -> None:
    """Compare-and-set of `last_used_at`, at most once in `USED_RESOLUTION`."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USED_RESOLUTION)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=Now())


def revoke_text(text: str) -> bool:
    """Revoke a token that was seen where it must not be; False when there is none such."""
    live = ApiToken.objects.filter(digest=digest(text), revoked_at=None)
    return bool(live.update(revoked_at=Now()))


def allowed_scopes(principal: Principal, project_id: str = "") -> frozenset[Scope]:
    """What the principal may put into a token: never more than he has himself.

    A reader's token can read; a member's can do all, `admin` meaning "as its creator".
    """
    if project_id and not principal.is_admin:
        writes = principal.may_write(project_id)
    else:
        writes = principal.is_admin or any(map(principal.may_write, principal.projects))
    most: frozenset[Scope] = ALL_SCOPES if writes else frozenset(["read"])
    return most & principal.scopes


def issue(
    user_id: int,
    name: str,
    scopes: frozenset[Scope],
    project_id: str = "",
    days: int = DEFAULT_DAYS,
    not_after: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make and store a token; returns it with its text, which nobody can see again.

    `not_after` caps the expiry. Raises `QuotaError` beyond `TELEMETRY_TOKENS_PER_USER` live
    tokens; counting and inserting are one step for all processes (S54).
    """
    text = new_token()
    expiry = Now() + timedelta(days=days)
    with transaction.atomic():
        # The user's row is the lock: nobody else makes a token for this user meanwhile.
        get_user_model().objects.select_for_update(no_key=True).get(pk=user_id)
        live = ApiToken.objects.filter(user_id=user_id, revoked_at=None, expires_at__gt=Now())
        if live.count() >= settings.TELEMETRY_TOKENS_PER_USER:
            raise QuotaError(
                f"at most {settings.TELEMETRY_TOKENS_PER_USER} live tokens a user: revoke some"
            )
        token = ApiToken.objects.create(
            user_id=user_id,
            name=name,
            prefix=text[: len(PREFIX) + SHOWN_CHARS],
            digest=digest(text),
            project_id=project_id,
            scopes=sorted(scopes),
            expires_at=Least(expiry, not_after) if not_after else expiry,
        )
        token.refresh_from_db()
    return token, text


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _checksum(body: str) -> str:
    return _base64url(zlib.crc32(body.encode()).to_bytes(4, "big"))
