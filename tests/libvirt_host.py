"""A real libvirtd with real QEMU guests, private to one test session. Needs root on Linux.

libvirt's directories are fixed when it runs as root, so libvirtd gets a mount namespace of its
own in which they are a temporary directory: nothing of the machine's own libvirt is touched, and
its sockets appear below that directory for everybody.

A guest starts in a third of a second because libvirt is told to leave out what waits for
services that a test machine lacks: cgroups through systemd-machined (`cgroup_controllers = []`),
virtlogd (`stdio_handler = "file"`), mount namespaces and ownership changes for each guest.

Each guest runs a boot sector of ours (software emulation, no operating system): it writes one
sector of its disk a second and halts between, so its counters move and its CPU use is small.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

DIRECTORIES = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
NEEDED = ("libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "ip", "unshare")
LIBVIRTD_CONF = """
auth_unix_ro = "{auth_unix_ro}"
auth_unix_rw = "none"
unix_sock_ro_perms = "0777"
host_uuid = "{uuid}"
"""
QEMU_CONF = """
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
#: 16-bit code at 0x7c00: set the segments; write sector 2 of the first disk by BIOS call 13h
#: from the boot sector's own memory; halt for 18 timer ticks (a second); again.
BOOT_SECTOR = (
    bytes.fromhex("31c08ed88ec0bb007c b80103b90200ba8000cd13fb b91200f4e2fd ebec")
).ljust(510, b"\0") + b"\x55\xaa"
DOMAIN_XML = """
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  {metadata}
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/></disk>
    {interface}
    <memballoon model='virtio'><stats period='10'/></memballoon>
  </devices>
</domain>
"""
INTERFACE_XML = """
    <interface type='ethernet'>
      <mac address='{mac}'/><target dev='{tap}' managed='no'/><model type='virtio'/>
    </interface>
"""


def nova_metadata(
    project: str, user: str, name: str = "web-1", version: str = "1.1", flavor: str = "m1.tiny"
) -> str:
    """The `<metadata>` element that Nova writes."""
    return f"""
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/{version}">
      <nova:package version="27.1.0"/>
      <nova:name>{name}</nova:name>
      <nova:creationTime>2026-11-25 02:00:01</nova:creationTime>
      <nova:flavor name="{flavor}" id="42">
        <nova:memory>32</nova:memory><nova:disk>1</nova:disk><nova:swap>0</nova:swap>
        <nova:ephemeral>5</nova:ephemeral><nova:vcpus>1</nova:vcpus>
        <nova:extraSpecs>
          <nova:extraSpec name="hw:cpu_policy">shared</nova:extraSpec>
        </nova:extraSpecs>
      </nova:flavor>
      <nova:owner>
        <nova:user uuid="{user}">admin</nova:user>
        <nova:project uuid="{project}">demo</nova:project>
      </nova:owner>
      <nova:root type="image" uuid="87492c93-b1e6-4040-a251-74b2c8daf28d"/>
    </nova:instance>
  </metadata>"""


def telemetry_metadata(attributes: str, **keys: str) -> str:
    """The `<metadata>` element with ours (docs/reference/libvirt.md)."""
    texts = "".join(
        f'<telemetry:key name="{name}">{text}</telemetry:key>' for name, text in keys.items()
    )
    return (
        f'<metadata><telemetry:instance xmlns:telemetry="urn:telemetry:instance" {attributes}>'
        f"{texts}</telemetry:instance></metadata>"
    )


def why_not() -> str:
    """Why no libvirt host can be had here; empty where it can."""
    if os.geteuid() != 0:
        return "libvirtd for tests needs root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (deploy/apt-test.txt)"
    return "" if Path("/dev/net/tun").exists() else "no /dev/net/tun"


class LibvirtHost:
    """One libvirtd. `uri` is read-only, as the agent uses it; `virsh` may change things."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._daemon: subprocess.Popen[bytes] | None = None
        self._taps: list[str] = []
        self._domains: list[str] = []
        for name in DIRECTORIES:
            (directory / name).mkdir()
        self._uuid = uuid4()
        self.configure()
        (directory / "etc" / "qemu.conf").write_text(QEMU_CONF)

    @property
    def uri(self) -> str:
        return self._uri("libvirt-sock-ro")

    def _uri(self, socket: str) -> str:
        return f"qemu:///system?socket={quote(str(self.directory / 'run' / socket))}"

    def configure(self, auth_unix_ro: str = "none") -> None:
        """For the next start of libvirtd."""
        (self.directory / "libvirtd.conf").write_text(
            LIBVIRTD_CONF.format(uuid=self._uuid, auth_unix_ro=auth_unix_ro)
        )

    # --- the daemon ----------------------------------------------------------------------

    def start(self) -> None:
        mounts = "".join(
            f"mkdir -p {target}; mount --bind {self.directory}/{name} {target} || exit 1; "
            for name, target in DIRECTORIES.items()
        )
        # libvirt moves no guest to the host that it is on, which it tells by UUID and name.
        rename = f"hostname {self.directory.name.replace('_', '-')}; "
        daemon = f"exec libvirtd -f {self.directory}/libvirtd.conf -p {self.directory}/libvirtd.pid"
        with open(self.directory / "libvirtd.log", "ab") as log:
            self._daemon = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--uts",
                    "--propagation",
                    "private",
                    "sh",
                    "-c",
                    mounts + rename + daemon,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_for_daemon()

    def _wait_for_daemon(self, within_s: float = 30.0) -> None:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            # The first question after "capabilities" would wait for libvirt to try out QEMU.
            if self._virsh("capabilities").returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError((self.directory / "libvirtd.log").read_text()[-2000:])

    @property
    def daemon_pid(self) -> int:
        assert self._daemon is not None
        return self._daemon.pid

    def kill(self) -> None:
        """kill -9 of libvirtd; guests live on, as they do in the field."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()
        for socket in (self.directory / "run").glob("libvirt-*sock*"):
            socket.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(number)

    def end(self) -> None:
        """As an update of its package does it; guests live on."""
        assert self._daemon is not None
        self._daemon.terminate()
        try:
            self._daemon.wait(10)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def close(self) -> None:
        """End every guest, libvirtd and tap that this object started, and nothing else."""
        if self._daemon is None or self._daemon.poll() is not None:
            self.start()
        for name in list(self._domains):
            self.remove(name)
        self.end()
        for tap in self._taps:
            subprocess.run(["ip", "link", "del", tap], check=False)

    # --- guests --------------------------------------------------------------------------

    def define(self, name: str, uuid: str, metadata: str = "", tap: str = "") -> None:
        disk = self.directory / f"{name}.qcow2"
        raw = self.directory / f"{name}.raw"
        raw.write_bytes(BOOT_SECTOR.ljust(1 << 20, b"\0"))
        subprocess.run(
            ["qemu-img", "convert", "-q", "-O", "qcow2", str(raw), str(disk)], check=True
        )
        raw.unlink()
        interface = self._interface(tap, uuid) if tap else ""
        self.virsh("define", str(self._described(name, uuid, metadata, disk, interface)))
        self._domains.append(name)

    def define_many(self, guests: dict[str, tuple[str, str]]) -> None:
        """Guests {name: (UUID, metadata)} that are never started, with one virsh for all of them.

        Their disks are one empty image under many names. They go with the directory.
        """
        image = self.directory / "empty.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
        commands = []
        for name, (uuid, metadata) in guests.items():
            disk = self.directory / f"{name}.qcow2"
            os.link(image, disk)
            commands.append(f"define {self._described(name, uuid, metadata, disk, '')}\n")
        done = self._virsh(input="".join(commands))
        if done.returncode or done.stdout.count(" defined from ") != len(guests):
            raise RuntimeError(done.stderr[-2000:])

    def _described(self, name: str, uuid: str, metadata: str, disk: Path, interface: str) -> Path:
        """The file with its XML."""
        xml = self.directory / f"{name}.xml"
        xml.write_text(
            DOMAIN_XML.format(
                name=name,
                uuid=uuid,
                metadata=metadata,
                disk=disk,
                emulator=shutil.which("qemu-system-x86_64"),
                interface=interface,
            )
        )
        return xml

    def _interface(self, tap: str, uuid: str) -> str:
        subprocess.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"], check=True)
        self._taps.append(tap)
        subprocess.run(["ip", "link", "set", tap, "up"], check=True)
        return INTERFACE_XML.format(tap=tap, mac=f"fa:16:3e:11:{uuid[-4:-2]}:{uuid[-2:]}")

    def plug_nic(self, name: str, tap: str, uuid: str) -> None:
        """A further NIC for a guest that runs."""
        file = self.directory / f"{tap}.xml"
        file.write_text(self._interface(tap, uuid))
        self.virsh("attach-device", name, str(file), "--live")

    def remove(self, name: str) -> None:
        self._virsh("destroy", name)
        self._virsh("undefine", name)
        if name in self._domains:
            self._domains.remove(name)

    def migrate(self, name: str, to: LibvirtHost) -> None:
        """Live, over a socket of the other host; the definition stays here, shut off."""
        self.virsh(
            "migrate", "--live", "--unsafe", "--persistent", name,
            to._uri("libvirt-sock"), f"unix://{to.directory}/migration.sock",
        )  # fmt: skip
        to._domains.append(name)

    def qemu_pid(self, name: str) -> int:
        return int((self.directory / "run" / "qemu" / f"{name}.pid").read_text())

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP of one guest's QEMU: its monitor is silent."""
        pid = self.qemu_pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    # --- virsh ---------------------------------------------------------------------------

    def virsh(self, *arguments: str) -> str:
        done = self._virsh(*arguments)
        if done.returncode:
            raise RuntimeError(f"virsh {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _virsh(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """`input` are commands, where no arguments are given."""
        return subprocess.run(
            ["virsh", "-c", self._uri("libvirt-sock"), *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def stats(self, name: str) -> dict[str, str]:
        """`virsh domstats` as a dictionary: the tests' second opinion."""
        lines = self.virsh("domstats", name).splitlines()
        return dict(line.strip().split("=", 1) for line in lines if "=" in line)


@contextmanager
def libvirt_host(like: LibvirtHost | None = None) -> Iterator[LibvirtHost]:
    """A running host in a short-named directory (socket paths may have 107 bytes).

    `like` is one that runs already and has tried out QEMU, which takes seconds.
    """
    with tempfile.TemporaryDirectory(prefix="lv-") as directory:
        host = LibvirtHost(Path(directory))
        if like is not None:
            shutil.copytree(like.directory / "cache", host.directory / "cache", dirs_exist_ok=True)
        host.start()
        try:
            yield host
        finally:
            host.close()
