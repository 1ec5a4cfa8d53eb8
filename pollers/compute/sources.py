"""What a compute agent polls: its host, and the hypervisor where there is one."""

from __future__ import annotations

from pathlib import Path

import structlog
from django.conf import settings

from pollers.compute.addresses import refusal
from pollers.compute.host import HostSource
from pollers.compute.hypervisor import Hypervisor, libvirt_is_installed
from pollers.compute.libvirt_source import (
    HOW_TO_ADD_LIBVIRT,
    LibvirtSource,
    UnpolledHypervisor,
)
from pollers.polls import Source
from pollers.urls import without_secrets
from pollers.user_metadata import UserKeys

log = structlog.get_logger(__name__)

DEFAULT_URI = "qemu:///system"
NO_HYPERVISOR = "none"
#: Where the daemons listen for `DEFAULT_URI`: one for all drivers, or QEMU's own.
DAEMON_SOCKETS = (
    Path("/run/libvirt/libvirt-sock-ro"),
    Path("/run/libvirt/virtqemud-sock-ro"),
)


class ComputeSources:
    """Looked at anew for each poll, since libvirt may be installed or started later.

    With a URI in the settings the hypervisor is polled whatever happens, so that its absence is
    an error on the sources page. Without one it is polled from the moment a daemon is seen.
    """

    def __init__(self) -> None:
        self._host = HostSource(settings.TELEMETRY_HOST)
        self._hypervisor: Source | None = None
        self._said = ""

    def host(self) -> list[Source]:
        return [self._host]

    def hypervisors(self) -> list[Source]:
        if self._hypervisor is None:
            self._hypervisor = self._find_hypervisor()
        return [self._hypervisor] if self._hypervisor else []

    def all(self) -> list[Source]:
        return [*self.host(), *self.hypervisors()]

    def _find_hypervisor(self) -> Source | None:
        uri = settings.TELEMETRY_LIBVIRT_URI
        if uri == NO_HYPERVISOR:
            return None
        why_not = refusal(uri) if uri else ""
        if why_not:
            return UnpolledHypervisor(without_secrets(uri), why_not)
        if not libvirt_is_installed():
            self._say(HOW_TO_ADD_LIBVIRT)
            return UnpolledHypervisor(without_secrets(uri), HOW_TO_ADD_LIBVIRT) if uri else None
        if not uri and not any(path.exists() for path in DAEMON_SOCKETS):
            self._say("no libvirt daemon on this host; name one by LIBVIRT_URI")
            return None
        hypervisor = Hypervisor(uri or DEFAULT_URI, settings.TELEMETRY_LIBVIRT_DEADLINE)
        owner = settings.TELEMETRY_LIBVIRT_PROJECT, settings.TELEMETRY_LIBVIRT_USER
        user_keys = UserKeys(
            tuple(settings.TELEMETRY_USER_METADATA_PREFIXES),
            tuple(settings.TELEMETRY_USER_METADATA_KEYS),
            settings.TELEMETRY_USER_METADATA_LENGTH,
        )
        return LibvirtSource(
            hypervisor, settings.TELEMETRY_HOST, owner, user_keys,
            settings.TELEMETRY_LIBVIRT_REPORT_STOPPED,
        )  # fmt: skip

    def _say(self, text: str) -> None:
        if text != self._said:
            log.info("hypervisor not polled", why=text)
        self._said = text
