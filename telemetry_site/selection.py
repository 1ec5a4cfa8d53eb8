"""Which meters (or events) a list of names, wildcards and exclusions means. Pure.

The rule of polling.yaml and of pipeline files: an exclusion (`!disk.*`) that fits wins, then any
inclusion that fits, and a list of exclusions alone takes all the rest. Wildcards are the shell's.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from telemetry_site.yamlfile import DefinitionError


class Selection:
    """A checked list. Raises `DefinitionError` with the words that upstream uses."""

    def __init__(self, written: Iterable[object], what: str = "meters") -> None:
        self.names = list(written)
        if not self.names:
            raise DefinitionError(f"No {what} specified")
        for name in self.names:
            if not isinstance(name, str) or not name.strip("!"):
                raise DefinitionError(f"{name!r} is no name or wildcard of {what}")
        self.excluded = [str(name)[1:] for name in self.names if str(name).startswith("!")]
        self.included = [str(name) for name in self.names if not str(name).startswith("!")]
        plain = [name for name in self.included if name != "*"]
        if plain and self.excluded:
            raise DefinitionError(f"Both included and excluded {what} specified")
        if plain and "*" in self.included:
            raise DefinitionError(f"Included {what} specified with wildcard")

    def accepts(self, meter: str) -> bool:
        if any(fnmatchcase(meter, pattern) for pattern in self.excluded):
            return False
        return not self.included or any(fnmatchcase(meter, one) for one in self.included)

    def unmatched(self, meters: Iterable[str]) -> list[str]:
        """Names and wildcards that fit none of `meters`."""
        known = list(meters)
        return [
            pattern
            for pattern in [*self.included, *(f"!{name}" for name in self.excluded)]
            if not any(fnmatchcase(meter, pattern.removeprefix("!")) for meter in known)
        ]
