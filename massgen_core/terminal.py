"""Makes text that others wrote safe to show: models, tools, servers and metadata may hold sequences that command a terminal or deceive a reader."""

from __future__ import annotations

import re
import sys

__all__ = ["clean", "clean_line", "columns"]

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Soft hyphen, grapheme joiner, fillers, zero-width marks, annotations, variation selectors but the two of emoji, tags.
_INVISIBLE = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
_INVISIBLE_ASTRAL = "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
_SURROGATE = "\ud800-\udfff"
_GLUE = "\u200c\u200d\ufe0e\ufe0f"
_MARK = "\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"

_SUSPECT = f"[{_CONTROL}{_BIDI}{_INVISIBLE}{_INVISIBLE_ASTRAL}{_SURROGATE}]"
# A string sequence ends with BEL or ST; one that does not end loses its introducer only, so that no text is swallowed.
_SEQUENCE = (
    "(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*+(?:\x07|\x1b\\\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    "|(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?"  # CSI
    "|\x1b[ -/]{0,8}[0-~]?"  # every other escape
)
_BREAK = "\r\n?|[\x0b\x0c\x85\u2028\u2029]"
# Joiners and emoji selectors shape the character before them: two at most, never within plain ASCII.
_JOINED = f"((?:[^\x00-\x7f\\s{_GLUE}{_MARK}]|[0-9#*](?=\ufe0f\u20e3))[{_GLUE}]{{1,2}})|[{_GLUE}]+"
_STACKED = f"(?<=[{_MARK}]{{8}})[{_MARK}]+"
_SHAPING = f"[{_GLUE}]|[{_MARK}]{{9}}"
_SPACE = r"\s+"


def clean(text: str) -> str:
    """Return `text` without anything that commands a terminal or hides from a reader.

    Escape sequences, control characters, bidirectional overrides and invisible characters are taken out; every kind of line break becomes a
    newline, so that nothing is overwritten; tabs stay; lone surrogates become U+FFFD. Idempotent, never longer than `text`, linear in its length.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    if re.search(_SUSPECT, text):
        text = re.sub(_BREAK, "\n", re.sub(_SEQUENCE, "", text))
        text = re.sub(_SUSPECT, lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else "", text)
    if re.search(_SHAPING, text):
        text = re.sub(_STACKED, "", re.sub(_JOINED, lambda found: found[1] or "", text))
    return text


def clean_line(text: str, limit: int = 200) -> str:
    """Return `text` cleaned, on one line, and cut with an ellipsis after `limit` characters."""
    # Only so much of a huge text is looked at as can matter.
    text = re.sub(_SPACE, " ", clean(text[: limit * 8 + 1000])).strip()
    # A cut may take away what gave a joiner its sense.
    return text if len(text) <= limit else clean(f"{text[: limit - 1].rstrip()}…")


def columns() -> int:
    """Return how many columns the terminal behind standard output has; 0 where there is none: a pipe or a file gets whole lines."""
    import shutil  # noqa: PLC0415 - of those who show a table

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
