"""Whether somebody may name an action, told in aodh's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alarms.choices import ACTION_FIELDS
from alarms.errors import ActionError
from alarms.notifier.actions import check_form
from meters.wsme.errors import Fault, bad, cut


def check(definition: Mapping[str, Any], is_admin: bool) -> None:
    """Where an action leads is judged at each send, as aodh's clients name what isn't there yet."""
    for name in ACTION_FIELDS:
        for url in definition[name]:
            try:
                check_form(url, is_admin)
            except ActionError as error:
                raise _fault(error.kind, cut(url)) from error


def _fault(kind: str, url: str) -> Fault:
    match kind:
        case "bad_url":
            return bad(f"Unable to parse action {url}")
        case "for_admins":
            return Fault(401, f"You are not authorized to create action: {url}")
        case "trust_id":
            return bad("trust URL cannot contain a trust ID.")
    return bad(f"Unsupported action {url}")
