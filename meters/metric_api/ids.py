"""Ids of resources (metric-api.md 13.2): any text stands for a UUID, another for each creator."""

from __future__ import annotations

from uuid import UUID, uuid5

import voluptuous as vol

from meters.store.catalogue import RESOURCE_NAMESPACE

LONGEST = 289
#: What stands for the creator where nobody is known as one.
_NOBODY = "\x00"


class ResourceIdError(vol.Invalid):
    """No id of a resource; the text is what clients know. In a schema it finds its place."""


def resource_uuid(text: object, creator: str) -> UUID:
    """Itself where it reads as a UUID, in whatever form. Raises `ResourceIdError`."""
    if not isinstance(text, str):
        raise ResourceIdError("expected str")
    if "/" in text:
        raise ResourceIdError("'/' is not supported in resource id")
    if "\x00" in text:
        raise ResourceIdError("NUL is not supported in resource id")
    try:
        return UUID(text)
    except ValueError:
        pass
    if len(text) > LONGEST:
        raise ResourceIdError(f"transformable resource id >{LONGEST} max allowed characters")
    return uuid5(RESOURCE_NAMESPACE, f"{text}\x00{creator or _NOBODY}")
