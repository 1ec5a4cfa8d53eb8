"""Against guessing passwords (S11): attempts are counted in PostgreSQL, by account, then address.

Each attempt is counted *before* the password is looked at, so that a hundred attempts at once
are a hundred attempts; success takes it back. After the free attempts each further one makes the
next wait twice as long, up to a limit, so nobody is locked out for good. Unknown accounts count
like known ones, and are stored as a digest, since people type passwords into the name field.

It works by the authentication backend `telemetry_site.auth.backends.ThrottledBackend`, whatever
form asks. A form that wants to *say* how long to wait uses `telemetry_site.auth.forms.LoginForm`
(`LoginView(authentication_form=LoginForm)`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from telemetry_site.auth.models import LoginAttempts

FORGET_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class Budget:
    """`free` attempts cost nothing; then 1, 2, 4 … seconds of waiting, at most `longest_s`."""

    free: int
    longest_s: int

    def wait_s(self, attempts: int) -> int:
        """How long after the given number of attempts without success."""
        over = attempts - self.free
        return 0 if over < 0 else min(2 ** min(over, 20), self.longest_s)


ACCOUNT = Budget(free=5, longest_s=300)
#: Many people may share one address.
ADDRESS = Budget(free=20, longest_s=900)


def begin(account: str, address: str) -> int:
    """Count an attempt. Returns 0, or the seconds after which the next one is looked at."""
    waits = [_count(_account_key(account), ACCOUNT)]
    if not waits[0] and address:
        waits.append(_count(_address_key(address), ADDRESS))
    return max(waits)


def succeeded(account: str, address: str) -> None:
    """Forget the account's attempts, and the one attempt of the address."""
    LoginAttempts.objects.filter(key=_account_key(account)).delete()
    LoginAttempts.objects.filter(key=_address_key(address)).update(
        attempts=Greatest(F("attempts") - 1, 0), blocked_until=Now()
    )


def _count(key: str, budget: Budget) -> int:
    """Seconds still to wait, or 0 after counting one attempt; one step for all processes."""
    with transaction.atomic():
        LoginAttempts.objects.get_or_create(key=key)
        row = (
            LoginAttempts.objects.select_for_update()
            .annotate(wait=F("blocked_until") - Now(), age=Now() - F("updated_at"))
            .get(key=key)
        )
        wait: timedelta = row.wait
        if wait > timedelta(0):
            return math.ceil(wait.total_seconds())
        attempts = 1 if row.age > FORGET_AFTER else row.attempts + 1
        changes = {"attempts": attempts, "updated_at": Now()}
        wait_s = budget.wait_s(attempts)
        if wait_s:  # else nobody who waited here for our lock may find himself blocked "until now"
            changes["blocked_until"] = Now() + timedelta(seconds=wait_s)
        LoginAttempts.objects.filter(key=key).update(**changes)
    return 0


def _account_key(account: str) -> str:
    return "account:" + hashlib.sha256(account.encode(errors="surrogatepass")).hexdigest()


def _address_key(address: str) -> str:
    return "address:" + hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()
