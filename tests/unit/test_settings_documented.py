"""Every setting stands in .env.example and in the reference."""

from __future__ import annotations

import re

from telemetry_site.paths import ROOT

SETTINGS = ("base.py", "server.py")


def test_every_setting_is_documented() -> None:
    text = "".join((ROOT / "telemetry_site/settings" / name).read_text() for name in SETTINGS)
    used = set(re.findall(r'(?:env\.\w+|secret)\(\s*"([A-Z_]+)"', text))
    assert len(used) > 30
    for place in (".env.example", "docs/reference/settings.md"):
        named = set(re.findall(r"[A-Z][A-Z_]+", (ROOT / place).read_text()))
        assert used <= named, (place, used - named)
