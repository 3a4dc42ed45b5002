"""Text that servers wrote for models: made safe, searched for what does not belong there, and remembered so that a change is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import attrs
import msgspec

from massgen_core.api import clean, clean_line

__all__ = ["Finding", "cleaned", "digest", "findings"]

# Longer descriptions are cut; the longest of 1,900 real tools has about 10,000 characters.
MAX_TEXT = 20_000


@attrs.frozen
class Finding:
    """Something in a tool's definition that a person should look at.

    Attributes:
        kind: `invisible`, `terminal` or `injection`.
        path: Where in the definition: `description`, `inputSchema.properties.path.description`.
        message: What was found.
    """

    kind: str
    path: str
    message: str


def cleaned(text: str) -> str:
    """Return a server's text as a model may read it: without invisible characters and control sequences, and of a bounded length."""
    text = clean(text[: MAX_TEXT * 2])
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def digest(raw: Mapping[str, Any]) -> str:
    """Return a hash of what models see of a tool's definition; an order of keys, icons and private data do not count."""
    seen = {key: raw.get(key) for key in ("name", "title", "description", "inputSchema", "outputSchema", "annotations")}
    return sha256(msgspec.json.encode(seen, order="deterministic")).hexdigest()


_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_ESCAPES = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
# What tells a model to act against the person it works for. Measured on real tools: see the tests.
_MARKERS = (
    (
        "tells models to set other instructions aside",
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|preceding|other|all|any|system|your)\b[^.\n]{0,20}"
        r"\b(?:instructions?|prompts?|rules|guidelines|directions)\b",
    ),
    (
        "tells models to keep something from the person",
        r"\b(?:do not|don'?t|never|must not|without|avoid)\s+(?:ever\s+)?(?:tell|inform|notify|mention|reveal|show|alert|disclos|ask)\w*\b"
        r"[^.\n]{0,40}\b(?:user|human|person|owner|operator)s?\b",
    ),
    (
        "imitates the frame of a conversation",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<</?SYS>>|</?(?:system|important)>",
    ),
    (
        "names files that hold secrets",
        r"(?:~|/root|/home/\w+)/\.(?:ssh|aws|gnupg|kube|netrc|config/gcloud)\b|\bid_(?:rsa|ed25519)\b|/etc/(?:passwd|shadow)\b",
    ),
    (
        "asks models for their instructions or for the conversation",
        r"\b(?:include|pass|send|provide|append|put|output|repeat|reveal)\b[^.\n]{0,60}"
        r"\b(?:system prompt|your (?:full |entire |initial )?instructions|(?:conversation|chat) (?:history|log|transcript))\b",
    ),
    ("hides text in a comment", r"<!--(?!\s*(?:-->|prettier|eslint|markdownlint))[^>]{20,}"),
)
_MARKER = tuple((why, re.compile(pattern, re.IGNORECASE)) for why, pattern in _MARKERS)


def findings(raw: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what is suspicious in a tool's definition, as it came from the server.

    The markers are known phrases: none of them proves an attack, and an attack need not use one.
    """
    found: dict[tuple[str, str], Finding] = {}
    for path, text in _texts({key: raw.get(key) for key in ("name", "title", "description", "inputSchema", "outputSchema", "annotations")}, ""):
        for kind, message in _suspicions(text):
            found.setdefault((kind, message), Finding(kind, path, message))
    return tuple(found.values())


def _suspicions(text: str) -> Iterator[tuple[str, str]]:
    if _ESCAPES.search(text):
        yield "terminal", "holds control characters, which can command a terminal"
    elif _BREAKS.sub("\n", text) != clean(text):
        hidden = "".join(chr(ord(letter) - 0xE0000) for tags in _TAGS.findall(text) for letter in tags)
        yield "invisible", "holds invisible characters" + (f" that spell {clean_line(hidden)!r}" if hidden else "")
    text = clean(text)
    for why, pattern in _MARKER:
        if match := pattern.search(text):
            yield "injection", f"{why}: {clean_line(match[0], 100)!r}"


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    waiting = [(path, node)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, str):
            yield path, node
        elif isinstance(node, Mapping):
            for key, value in node.items():
                inner = f"{path}.{key}" if path else str(key)
                yield inner, str(key)
                waiting.append((inner, value))
        elif isinstance(node, list):
            waiting += [(f"{path}[{index}]", value) for index, value in enumerate(node)]
