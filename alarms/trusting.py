"""Trusts of alarms: made with the actions that need them, kept with those that stay, removed with
those that go.

The removal is a row of the outbox, written with the change itself: Keystone may be away just then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings

from alarms import outbox
from alarms.choices import ACTION_FIELDS
from alarms.models import Alarm, Notification
from alarms.notifier.schemes import trust
from telemetry_site.auth import trusts
from telemetry_site.auth.keystone import KeystoneError

log = structlog.get_logger(__name__)


def urls_of(alarm: Alarm) -> list[str]:
    return [url for name in ACTION_FIELDS for url in getattr(alarm, name)]


def stored_urls(alarm: Alarm | None) -> dict[str, str]:
    """{a trusting URL as it is shown: as it is stored}"""
    found = urls_of(alarm) if alarm else []
    return {trust.without_trust(url): url for url in found if trust.trust_of(url)}


def reattached(alarm: Alarm, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the trusts that the alarm has for its URLs: nobody is shown them, so nobody
    sends them back."""
    known = stored_urls(alarm)
    kept = {
        name: [known.get(url, url) for url in fields[name]]
        for name in ACTION_FIELDS
        if name in fields
    }
    return {**fields, **kept}


def let_go(alarm: Alarm, before: list[str], after: list[str]) -> None:
    """In the caller's transaction: have the trusts removed that no action names any more."""
    gone = sorted(trust.trusts_of(before) - trust.trusts_of(after))
    if gone:
        rows = [outbox.job(alarm, f"{trust.REMOVAL}:{one}", {}) for one in gone]
        Notification.objects.bulk_create(rows)
        outbox.announce(len(rows))


@contextmanager
def trusted(
    definition: Mapping[str, Any], token: str, alarm: Alarm | None = None
) -> Iterator[dict[str, Any]]:
    """The definition with a trust of the token's owner in each trusting URL that is new to `alarm`.

    If the block raises, the trust goes again. Without Keystone nothing is made, and the delivery
    will say so (aodh's clients name what isn't there yet). Raises `KeystoneError`.
    """
    known = stored_urls(alarm)
    new = [
        url
        for name in ACTION_FIELDS
        for url in definition[name]
        if trust.is_trusting(url) and url not in known
    ]
    if not new or settings.TELEMETRY_KEYSTONE is None:
        yield dict(definition)
        return
    if not token:
        raise trusts.TrustRefusedError(f"The action {new[0][:200]} {trust.ONLY_THERE}.")
    keystone = trust.keystone()
    made = trusts.make(keystone, token)
    try:
        marked = {url: trust.with_trust(url, made) for url in new}
        yield {
            **definition,
            **{name: [marked.get(url, url) for url in definition[name]] for name in ACTION_FIELDS},
        }
    except BaseException:
        try:
            trusts.remove(keystone, made)
        except KeystoneError as error:
            log.error("a trust stays though its alarm was not made", trust=made, error=str(error))
        raise
