"""Amazon's own examples of signed requests (S3 API Reference, Signature Calculations)."""

from __future__ import annotations

import pytest
import requests

from pollers.pollsters import signing
from pollers.pollsters.signing import AmazonSignature

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#: 2013-05-24 00:00:00 UTC in µs.
MOMENT_US = 1_369_353_600_000_000


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
        (
            "prefix=J&max-keys=2",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_examples_of_the_reference(
    query: str, signature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "now_us", lambda: MOMENT_US)
    url = f"https://examplebucket.s3.amazonaws.com/?{query}"
    signed = requests.Request("GET", url, auth=AmazonSignature(KEY, SECRET)).prepare()
    assert signed.headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
    )
    assert SECRET not in str(signed.headers)
