from __future__ import annotations

from telemetry_site.errors import SiteError

#: Kinds that no further attempt mends.
FINAL = frozenset({"bad_url", "scheme", "userinfo", "port", "forbidden_address"})


class OutboundError(SiteError):
    """Nothing was sent, or no answer came.

    `kind` is what a tenant may see; `detail` tells whoever wrote the URL what to change, and never
    what lies behind it (S4: no port scanner).
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail

    @property
    def is_final(self) -> bool:
        return self.kind in FINAL
