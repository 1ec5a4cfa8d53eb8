"""The settings `TELEMETRY_KEYSTONE_…` as one object; wrong ones are told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from telemetry_site.settings.certificates import system_authorities

#: So long at the most a token goes on working after it was revoked (S12).
MOST_CACHE_S = 60.0
_EXAMPLE = "https://keystone.example.org:5000/v3"


@dataclass(frozen=True)
class KeystoneAccess:
    """Where Keystone is, and the service user that may check tokens there."""

    auth_url: str
    username: str
    password: str = field(repr=False)
    project_name: str = "service"
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"
    ca_file: str = ""
    timeout_s: float = 5.0
    cache_s: float = MOST_CACHE_S
    #: Which endpoints of the catalogue are ours; an empty region is any.
    region_name: str = ""
    interface: str = "public"

    @property
    def authorities(self) -> str | bool:
        """What proves Keystone and the services of its catalogue, as `requests` wants it."""
        return self.ca_file or system_authorities()

    @property
    def is_in_clear_text(self) -> bool:
        """Whether tokens and the password cross a network unencrypted."""
        parts = urlsplit(self.auth_url)
        return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1")


def check_keystone(
    access: KeystoneAccess, prefix: str = "TELEMETRY_KEYSTONE_"
) -> KeystoneAccess | None:
    """None where no Keystone is named; its URL ends in /v3. Raises `ImproperlyConfigured`."""
    if not access.auth_url:
        return None
    problem = _problem(access)
    if problem:
        raise ImproperlyConfigured(f"{prefix}{problem}")
    root = access.auth_url.rstrip("/").removesuffix("/v3")
    return replace(access, auth_url=f"{root}/v3")


def _problem(access: KeystoneAccess) -> str:
    """Which setting is wrong and why, or an empty text."""
    if not _is_web_address(access.auth_url):
        return f"AUTH_URL is no URL of a Keystone; it looks like {_EXAMPLE}."
    for name in ("username", "password", "project_name"):
        if not getattr(access, name):
            return f"{name.upper()} is missing: Keystone answers a service user only."
    if access.ca_file and not Path(access.ca_file).is_file():
        return f"CACERT: there is no file {access.ca_file}."
    if access.interface not in ("public", "internal", "admin"):
        return "INTERFACE must be public, internal or admin."
    if not 0 < access.timeout_s <= 60:
        return "TIMEOUT must be above 0 and at most 60 seconds."
    if not 0 <= access.cache_s <= MOST_CACHE_S:
        return "CACHE_SECONDS must be 0 to 60: so long a revoked token goes on working."
    return ""


def _is_web_address(url: str) -> bool:
    """http or https, with a host and at most a port and a path."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return False
    more = "@" in parts.netloc or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not more


def refuse_contradiction(access: KeystoneAccess | None, believing: dict[str, bool]) -> None:
    """One door does not both check and believe (S35). Raises `ImproperlyConfigured`."""
    names = [name for name, is_set in believing.items() if is_set]
    if access and names:
        raise ImproperlyConfigured(
            f"{' and '.join(names)} can't be set together with TELEMETRY_KEYSTONE_AUTH_URL: "
            "Keystone checks who calls, the other believes anybody."
        )
