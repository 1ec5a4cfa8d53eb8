"""Names of metrics whose series differ in labels: ``name@key=value,…`` in the order of keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from meters.wire import MAX_NAME


def series_name(name: str, labels: Mapping[str, str]) -> str:
    """Another one for each set of labels, also where those are too long for a name.

    Without slashes, which the metric API's names can't have.
    """
    others = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
    if others:
        name = f"{name}@{others}"
    if len(name) > MAX_NAME:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name[: MAX_NAME - len(digest) - 1]}~{digest}"
    return name.replace("/", "_")
