"""Which addresses of libvirt are taken, and what to do about its refusals, in words. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

#: virErrorNumber: https://libvirt.org/html/libvirt-virterror.html
SYSTEM_ERROR, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE = 38, 45, 79, 94
_AUTH = (AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE)
#: In containers polkit, its actions or D-Bus itself are missing; libvirt has no code for that.
_POLKIT = ("org.libvirt.unix", "polkit", "PolicyKit", "system bus")


def refusal(uri: str) -> str:
    """Why this address is not taken; empty where it is.

    Remote ones are asked over TLS or SSH with the peer's proof only: numbers that anybody on the
    way may change are worth nothing.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        return f"LIBVIRT_URI is no address: {error}"
    if not parts.scheme:
        return "LIBVIRT_URI is no address: it begins with a driver, as qemu:///system does"
    if parts.scheme.endswith("+tcp"):
        return "LIBVIRT_URI over +tcp is refused: nothing protects it; use +tls or +ssh"
    if dict(parse_qsl(parts.query)).get("no_verify", "0") != "0":
        return "LIBVIRT_URI with no_verify is refused: the peer must prove who it is"
    return ""


def advice(code: int, text: str) -> str:
    """What an operator may do about an error of libvirt; empty where we know nothing."""
    if code in _AUTH or any(word in text for word in _POLKIT):
        return (
            "libvirt does not let this user in. Its read-only socket is enough: auth_unix_ro "
            '= "none" in libvirtd.conf, or a rule of polkit for org.libvirt.unix.monitor'
        )
    if code == SYSTEM_ERROR and "Permission denied" in text:
        return (
            "this user may not open the socket. The read-only one is enough: unix_sock_ro_perms in "
            "libvirtd.conf, LIBVIRT_URI=qemu:///system?socket=/run/libvirt/libvirt-sock-ro"
        )
    if code == SYSTEM_ERROR and ("No such file" in text or "Connection refused" in text):
        return "is the daemon running? LIBVIRT_URI names another socket: qemu:///system?socket=…"
    return ""
