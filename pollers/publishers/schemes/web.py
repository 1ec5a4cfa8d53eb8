"""What targets over HTTP share: one POST, and what its answer means for a delivery."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pollers.publishers.addresses import Address
from pollers.publishers.errors import Refused, TargetError, Unreachable
from pollers.publishers.schemes.base import Sink
from telemetry_site import __version__, outbound

#: What says that the delivery itself is wrong. All else (a login, a path, a server that is ill)
#: can be mended there, so the delivery waits.
REFUSALS = frozenset({400, 413, 415, 422})
SHOWN_ANSWER = 200
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class WebSink(Sink):
    """`timeout`: seconds for one POST. `verify_ssl`: true, false, or a file of authorities.

    Schemes that are none of the web's may have `tls`.
    """

    options: ClassVar[frozenset[str]] = frozenset(
        {"timeout", "verify_ssl", "clientcert", "clientkey"}
    )
    needless: ClassVar[frozenset[str]] = frozenset({"max_retries"})

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        tls = address.scheme == "https" or ("tls" in self.options and address.flag("tls"))
        scheme = "https" if tls else "http"
        own = self.options | self.needless
        self.url = f"{scheme}://{address.netloc}{address.path}{address.without(own)}"
        self.patience_s = address.number("timeout", 5, 0.1, 60)
        self._headers = {"User-Agent": f"telemetry/{__version__}", "Connection": "close"}
        if address.user or address.password:
            login = base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"
        self._context = _context(address) if tls else None
        try:
            outbound.parse(self.url)
        except outbound.OutboundError as error:
            raise TargetError(error.detail) from error

    def post(
        self, url: str, body: bytes, content_type: str, more: Mapping[str, str] = _NO_HEADERS
    ) -> bytes:
        """The answer's body; `more` are headers. Raises `Unreachable` or `Refused`."""
        headers = {**self._headers, "Content-Type": content_type, **more}
        answer = post(url, body, headers, self._context, self.patience_s)
        raise_for(answer)
        return answer.body


def post(
    url: str, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext | None,
    patience_s: float,
) -> outbound.Answer:  # fmt: skip
    """Whatever was answered. Raises `Unreachable`."""
    try:
        return outbound.deliver("POST", url, body, headers, context, patience_s)
    except outbound.OutboundError as error:
        raise Unreachable(f"{error.kind}: {error.detail}") from error


def raise_for(answer: outbound.Answer) -> None:
    """Raises `Unreachable` or `Refused` unless the receiver has the delivery."""
    if 200 <= answer.status < 300:
        return
    text = " ".join(answer.body.decode("utf-8", "replace").split())[:SHOWN_ANSWER]
    said = f"answered {answer.status}: {text}" if text else f"answered {answer.status}"
    raise Refused(said) if answer.status in REFUSALS else Unreachable(said)


def _context(address: Address) -> ssl.SSLContext:
    """Raises `TargetError` where a file is none that TLS can use."""
    asked = address.text("verify_ssl")
    is_switch = asked.lower() in ("", "0", "1", "true", "false", "yes", "no")
    authorities = None if is_switch else address.file("verify_ssl")
    certificate, key = address.file("clientcert"), address.file("clientkey")
    if key and not certificate:
        raise TargetError("clientkey belongs to a clientcert, which is missing")
    try:
        context = ssl.create_default_context(cafile=authorities)
        if certificate:
            # Nobody is there to be asked for the password of a key.
            context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise TargetError(f"verify_ssl, clientcert or clientkey: {error}") from error
    if is_switch and not address.flag("verify_ssl", default=True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
