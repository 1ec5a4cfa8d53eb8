"""Requests signed as Amazon's services want it (Signature Version 4), which Ceph's gateway takes.

The scheme: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.conf import settings
from requests import PreparedRequest
from requests.auth import AuthBase

from pollers.pollsters.fetching import FetchError
from telemetry_site.clock import from_us, now_us

_SAFE = "-_.~"


class AmazonSignature(AuthBase):
    """`region` is any for Ceph."""

    def __init__(self, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        moment = from_us(now_us()).strftime("%Y%m%dT%H%M%SZ")
        url = urlsplit(request.url or "")
        body = request.body or b""
        digest = _sha256(body if isinstance(body, bytes) else body.encode())
        headers = {
            "host": request.headers.get("Host") or url.netloc.rpartition("@")[2],
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
        }
        request.headers.update(headers)
        names = ";".join(headers)
        asked = "\n".join([
            request.method or "GET",
            quote(unquote(url.path or "/"), safe=f"/{_SAFE}"),
            _query(url.query),
            *(f"{name}:{value}" for name, value in headers.items()),
            "", names, digest,
        ])  # fmt: skip
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, _sha256(asked.encode())])
        key = f"AWS4{self._secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope},"
            f"SignedHeaders={names},Signature={key.hex()}"
        )
        return request


class RadosgwLogin(AmazonSignature):
    """By the keys of the settings. Raises `FetchError` where there are none."""

    def __init__(self) -> None:
        if not settings.TELEMETRY_RADOSGW_ACCESS_KEY:
            raise FetchError(
                "no login is named: set TELEMETRY_RADOSGW_ACCESS_KEY and "
                "TELEMETRY_RADOSGW_SECRET_KEY"
            )
        super().__init__(
            settings.TELEMETRY_RADOSGW_ACCESS_KEY, settings.TELEMETRY_RADOSGW_SECRET_KEY
        )


def _query(text: str) -> str:
    pairs = sorted(
        (quote(name, safe=_SAFE), quote(value, safe=_SAFE))
        for name, value in parse_qsl(text, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
