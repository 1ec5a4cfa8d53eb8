"""Cinder's driver without disks, with a volume group that has a size. Loaded by Cinder."""

from __future__ import annotations

from cinder.tests.fake_driver import FakeLoggingVolumeDriver
from cinder.volume.drivers.lvm import LVMVolumeDriver


class SizedDriver(FakeLoggingVolumeDriver):
    """Its pool is told as LVM's driver tells one: its own is infinite, and no message says so."""

    def _update_volume_stats(self) -> None:
        self.vg.vg_size = self.vg.vg_free_space = 5.0
        LVMVolumeDriver._update_volume_stats(self)
