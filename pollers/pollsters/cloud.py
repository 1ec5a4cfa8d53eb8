"""An OpenStack cloud for an agent: its token, and the endpoints of its catalogue.

By keystoneauth, with a login of the agents' own (`TELEMETRY_OPENSTACK_…`): reading other projects'
objects takes an administrator's role, which the service user that checks tokens does not need.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from keystoneauth1.exceptions import ClientException, ConnectFailure, Unauthorized
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from pollers.errors import SourceError
from pollers.http import plain_session
from telemetry_site import __version__
from telemetry_site.settings.keystone import KeystoneAccess

#: Pollsters of one cycle share what a discovery found.
REMEMBER_S = 30.0
_NONSENSE = (KeyError, TypeError, ValueError, AttributeError)


class CloudError(SourceError):
    """Keystone gave no token or no catalogue."""


class Cloud:
    """One cloud, for all threads of a process."""

    def __init__(self, access: KeystoneAccess) -> None:
        self.access = access
        self._plugin = Password(
            auth_url=access.auth_url, username=access.username, password=access.password,
            project_name=access.project_name, user_domain_name=access.user_domain_name,
            project_domain_name=access.project_domain_name,
        )  # fmt: skip
        self._session = Session(
            self._plugin, session=plain_session(), verify=access.authorities,
            timeout=access.timeout_s, redirect=False, app_name="telemetry",
            app_version=__version__,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._remembered: dict[str, tuple[float, Any]] = {}

    def token(self) -> str:
        """Raises `CloudError`."""
        return str(self._ask(lambda: self._session.get_token()))

    def forget_token(self) -> None:
        """A service did not take it: the next one is made anew."""
        self._plugin.invalidate()

    def endpoints(self, service_type: str) -> list[str]:
        """URLs of a service in the region and interface of the settings; none where it is not in
        the catalogue. Raises `CloudError`.
        """

        def look_up() -> list[str]:
            catalogue = self._plugin.get_access(self._session).service_catalog
            found = catalogue.get_urls(
                service_type=service_type or None, interface=self.access.interface,
                region_name=self.access.region_name or None,
            )  # fmt: skip
            return list(dict.fromkeys(str(url) for url in found))

        return list(self._ask(look_up))

    def remembered(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find` found under this name in the last `REMEMBER_S`, else found anew."""
        with self._lock:
            until, value = self._remembered.get(name, (0.0, None))
            if time.monotonic() >= until:
                value = find()
                self._remembered[name] = time.monotonic() + REMEMBER_S, value
            return value

    def _ask(self, question: Callable[[], Any]) -> Any:
        where = f"Keystone at {self.access.auth_url}"
        try:
            return question()
        except Unauthorized:
            raise CloudError(f"{where} refuses the login {self.access.username!r}") from None
        except ConnectFailure:
            raise CloudError(f"{where} gives no answer") from None
        except ClientException as error:
            status = getattr(error, "http_status", "")
            raise CloudError(f"{where}: {type(error).__name__} {status}".rstrip()) from None
        except _NONSENSE:
            raise CloudError(f"{where}: its answer is not understood") from None


@cache
def current_cloud() -> Cloud | None:
    """That of the settings; None where none is named."""
    access = settings.TELEMETRY_OPENSTACK
    return Cloud(access) if access else None
