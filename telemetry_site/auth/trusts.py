"""Trusts in Keystone: the service user may act for who made an alarm, with that person's roles.

Of a trust only the trustor may dispose. The service user acts as the trustor by the trust itself,
so it can take the trust away again whoever deletes the alarm.
"""

from __future__ import annotations

from typing import Any

from telemetry_site.auth.keystone import NOT_UNDERSTOOD, Keystone, KeystoneError

_TRUSTS = "/OS-TRUST/trusts"


class TrustRefusedError(KeystoneError):
    """Keystone makes no trust for this caller. The text is a sentence for the caller."""


class NoTrustError(KeystoneError):
    """The trust is there no more."""


def make(keystone: Keystone, token: str) -> str:
    """A trust of the token's owner, for the token's project and all its roles; returns its id.

    Raises `KeystoneError`, and `TrustRefusedError` where another attempt is no use.
    """
    found = keystone.request("GET", "/auth/tokens?nocatalog", token)
    wanted = _wanted(_part(found, 200, "token"), keystone.own_id())
    made = keystone.request("POST", _TRUSTS, token, {"trust": wanted})
    return str(_part(made, 201, "trust")["id"])


def _wanted(of_caller: dict[str, Any], trustee: str) -> dict[str, Any]:
    if "project" not in of_caller:
        raise TrustRefusedError("A trust needs a token for a project.")
    return {
        "trustor_user_id": of_caller["user"]["id"],
        "trustee_user_id": trustee,
        "project_id": of_caller["project"]["id"],
        "roles": [{"id": role["id"]} for role in of_caller["roles"]],
        "impersonation": True,
    }


def _part(answer: Any, status: int, name: str) -> dict[str, Any]:
    if answer.status_code in (400, 401, 403, 404):
        raise TrustRefusedError("Keystone makes no trust for this caller.")
    try:
        part = answer.json()[name]
    except (ValueError, KeyError, TypeError):
        part = None
    if answer.status_code != status or not isinstance(part, dict):
        raise KeystoneError(NOT_UNDERSTOOD)
    return part


def token(keystone: Keystone, trust_id: str) -> str:
    """Raises `KeystoneError`, and `NoTrustError` where there is no such trust any more.

    Keystone answers 401 to a login by a trust that is gone as it does to a wrong password.
    """
    try:
        return keystone.token_of_trust(trust_id)
    except KeystoneError:
        if keystone.request("GET", f"{_TRUSTS}/{trust_id}").status_code == 404:
            raise NoTrustError("The trust is there no more.") from None
        raise


def remove(keystone: Keystone, trust_id: str) -> None:
    """One that is gone already is no error. Raises `KeystoneError`."""
    try:
        as_trustor = token(keystone, trust_id)
    except NoTrustError:
        return
    status = keystone.request("DELETE", f"{_TRUSTS}/{trust_id}", as_trustor).status_code
    if status not in (204, 404):
        raise KeystoneError(f"Keystone answers {status} to the removal of a trust.")
