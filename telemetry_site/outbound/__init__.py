"""Requests to addresses that people wrote down: judged before, and short in every respect.

Whoever sends to a tenant's URL comes through here (reliability.md 5.3): `parse` says whether it is
a URL that everybody reads alike, `judged` where it leads and whether one may go there; `post`,
`get` and `request` do all three and send. `deliver` is for what only the operator can have written.
"""

from telemetry_site.outbound.errors import OutboundError
from telemetry_site.outbound.guard import judged
from telemetry_site.outbound.parsing import Target, parse
from telemetry_site.outbound.sending import Answer, deliver, get, post, request

__all__ = [
    "Answer",
    "OutboundError",
    "Target",
    "deliver",
    "get",
    "judged",
    "parse",
    "post",
    "request",
]
