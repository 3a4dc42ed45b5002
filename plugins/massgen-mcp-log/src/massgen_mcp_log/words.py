"""Words that look like tokens of a provider that no rule names: a prefix, and behind it what nobody would write by hand. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["TOKEN", "is_drawn", "is_token"]

TOKEN = re.compile(
    r"(?:(?<![A-Za-z0-9_.+=~-])|(?<=\\[nrt]))(?P<secret>[A-Za-z][A-Za-z0-9]{1,15}[_-](?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20,300})(?![A-Za-z0-9+])"
)
# What a part of a prefix says of the rest: that it opens something,
_OPENING = frozenset(
    """access admin api apikey auth bot deploy key live oauth pat personal prod pw refresh rw sandbox seckey secret service sk
    test tkn token""".split()  # noqa: SIM905 - as prose they can be read
)
# or that it only names something.
_NAMING = frozenset(
    """answer asst batch blob branch build bundle cache call chat chatcmpl chunk cmpl code commit conn container conv cs ctr cus customer data
    digest doc event evt fc file font form frame gen generation group hash id image img index inst instance item job layer lib log main md5
    mem message model module msg namespace node obj object op operation org pack page part pi pod post price process proj project psn public
    record ref release req request resource resp response resume rev rs run sample sess session sha sha1 sha256 sha384 sha512 shard snap
    snapshot span srv step sub svg task temp text thread tmp tool toolu trace tree tx txn upload user usr uuid ver version vm vol volume ws
    xfer""".split()  # noqa: SIM905
)
_WORD = re.compile(r"[a-z]{4,}")
_CAMEL = re.compile(r"[a-z]{0,40}(?:[A-Z][a-z]{2,40}\d{0,4}|[A-Z]\d{1,4})+")
_RUN = re.compile(r"[A-Za-z0-9]+")
_PUBLIC = frozenset({"pk", "pub", "public", "pubkey"})


def is_token(word: str) -> bool:
    """Say whether a word with a prefix is probably a credential, and not an id, a digest or a name."""
    parts = re.split(r"[_-]", word)
    count = next((index for index, part in enumerate(parts) if index and (len(part) > 10 or _is_mixed(part))), 1)
    head = [part.lower() for part in parts[:count]]
    tail = word[sum(map(len, parts[:count])) + count :]
    is_opening = not _OPENING.isdisjoint(head)
    is_name = not _PUBLIC.isdisjoint(head) or (not is_opening and not _NAMING.isdisjoint(head))
    if is_name or not _is_random(tail):
        return False
    run = max(_RUN.findall(tail), key=len)
    if is_opening:
        return len(run) >= 12
    if any(letter.isupper() for letter in run) and any(letter.islower() for letter in run):
        return len(tail) >= 20 and len(run) >= 8
    if any(letter not in "0123456789abcdefABCDEF" for letter in run):
        return len(run) >= 32
    # Digests stand behind all kinds of words; behind an underscore and so long, they hardly are any.
    return word[len(parts[0])] == "_" and len(run) >= 40


def is_drawn(text: str) -> bool:
    """Say whether a text was drawn, and not written: it is random, and not made of short words."""
    return _is_random(text) and max(map(len, _RUN.findall(text))) >= 12


def _is_random(text: str) -> bool:
    """Say whether digits stand among letters in an order that no names have."""
    plain = "".join(_RUN.findall(text))
    digits, upper, lower = (sum(map(test, plain)) for test in (str.isdigit, str.isupper, str.islower))
    if len(plain) < 16 or not digits or not upper + lower:
        return False
    kinds = [1 if letter.isdigit() else 2 if letter.isupper() else 3 for letter in plain]
    changes = sum(one != other for one, other in pairwise(kinds)) / len(plain)
    if upper and lower:  # names have few capitals, and words between them
        spelt = sum(map(len, _WORD.findall(plain)))
        is_written = spelt > 0.35 * len(plain) or _CAMEL.fullmatch(plain) is not None
        return changes >= 0.4 and min(upper, lower) >= 0.25 * (upper + lower) and not is_written
    return changes >= 0.27 and digits >= 3


def _is_mixed(part: str) -> bool:
    """Short parts of a prefix are words, or words with a number; what is drawn is neither."""
    return len(part) > 5 and re.fullmatch(r"[A-Za-z]*\d{0,3}", part) is None
