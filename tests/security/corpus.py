"""Input that has broken systems like this one (reliability.md 5.6), for every text field."""

from __future__ import annotations

EMPTY = ["", " ", "\u00a0", "\u200b", "\ufeff"]
LENGTHS = ["a" * 255, "a" * 256, "a" * 257, "a" * 4096, "a" + "\u0301" * 64, "\U0001f600" * 255]
CONTROL = ["\x00", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u2028", "a\r\nb", "a\tb"]
DIRECTION = [
    "\u202eabc",
    "\u2066a\u2069",
    "\u0430",
    "\uff21",
    "\ufb01",
    "\u0130",
    "ß",
    "\u017f",
    "\u212a",
]
MARKUP = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script>", "]]>", "&lt;",
    "javascript:alert(1)", "data:text/html,x", "<svg/onload=alert(1)>", "' onmouseover='",
]  # fmt: skip
TEMPLATES = [
    "{{7*7}}", "{%load x%}", "${7*7}", "#{7*7}", "<%=7%>", "{0.__class__}", "%s%n%x",
    "$(id)", "`id`",
]  # fmt: skip
SQL = [
    "' OR 1=1--", '"; DROP TABLE x;--', "%", "_", "\\", "$$", "E'\\x'", "1)--", "NULL", 'a.b"c',
    "metadata->>'x'", 'x" , pg_sleep(5) --', "_connector", "__class", "password__startswith", "pk",
    "?", "%(a)s", "'; SELECT pg_sleep(5)--", "1 UNION SELECT password FROM auth_user", "%%", "{}",
]  # fmt: skip
PATHS = [
    "../../etc/passwd", "..%2f", "C:\\x", "CON", "a/b", "//x", ".", "%00", "file:",
]  # fmt: skip
KEYS = [
    "__proto__",
    "constructor",
    "__type__",
    "__value__",
    "$where",
    "a.b",
    "a..b",
    ".",
    "0",
    "-1",
]
SPREADSHEETS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1", "=cmd|' /C calc'!A0"]
REGEX = ["(a+)+$", "(.*)*x", "(?i)a", "[", "(?<=a)b", "*" * 200, "a*" * 100]
NUMBERS = [
    "0", "-1", str(2**31), str(2**63 - 1), str(2**63), "1" + "0" * 400,
    "5.0", "1_000", "5.5", "true",
    "-0.0", "5e-324", "1e-400", "1e308", "1e999", "NaN", "Infinity", " 5 ", "\uff11\uff12", "0x10",
]  # fmt: skip
TIMES = [
    "2026-01-01T00:00:00", "2026-01-01T00:00:00+14:00", "2026-01-01T00:00:00+25:00",
    "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2024-02-29T00:00:00Z", "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now", "-1h", "1764028800", "1.5e9",
    "20261125T000000Z", "2026-11-25", "\uff12026-11-25",
]  # fmt: skip
IDS = [
    "{00000000-0000-4000-8000-000000000000}", "urn:uuid:00000000-0000-4000-8000-000000000000",
    "00000000000040008000000000000000", "5", "-1", " " * 36, "00000000-0000-4000-8000-00000000000G",
]  # fmt: skip
HEADERS = ["é", "a" * 65_536]

TEXTS = [
    *EMPTY, *LENGTHS, *CONTROL, *DIRECTION, *MARKUP, *TEMPLATES, *SQL, *PATHS, *KEYS, *SPREADSHEETS,
    *REGEX, *NUMBERS, *TIMES, *IDS,
]  # fmt: skip

#: Bodies that are not the JSON anybody asked for; each must be a 400.
BAD_JSON = [
    b"", b"{", b"[1,]", b"[1] // x", b"NaN", b"[NaN]", b"[-Infinity]", b"[1e999]", b"[" * 100_000,
    b'{"a":' * 100_000, b'"a"', b"3", b"null", b"true", b'["\\ud800"]',
    b"\xef\xbb\xbf[]", b"\xff\xfe[\x00",
    b"[" + b"1" * 5_000 + b"]", b"[" + b"0" * 1_000_000 + b"]", b"\xc0\x80",
    b'{"a":1,"a":2}', b"'a'",
]  # fmt: skip
