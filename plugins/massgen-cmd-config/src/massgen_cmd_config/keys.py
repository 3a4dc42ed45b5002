"""Finds secrets that are written in a configuration. They are found by their form, or by the name of their key; none is ever shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import attrs

from massgen_core.api import ConfigProblem, Document

__all__ = ["Leak", "is_secret", "masked", "secrets"]

# What nobody writes who does not mean a key: the forms of well-known providers.
_FORMS = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        sk-[A-Za-z0-9_-]{16,} | xai-[A-Za-z0-9]{20,} | gsk_[A-Za-z0-9]{20,} | AIza[A-Za-z0-9_-]{30,} | csk-[A-Za-z0-9]{20,} | hf_[A-Za-z0-9]{25,}
        | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,} | glpat-[A-Za-z0-9_-]{18,} | A[KS]IA[0-9A-Z]{16} | xox[abeprs]-[A-Za-z0-9-]{10,}
        | ntn_[A-Za-z0-9]{30,} | BSA[A-Za-z0-9_-]{24,} | ya29\.[A-Za-z0-9_-]{20,} | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
        | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[\s\S]* | (?:Bearer|Basic)\ +[A-Za-z0-9._~+/=-]{16,} | (?<=://)[^\s/:@$]+:[^\s/@$]{3,}(?=@)
    )""",
    re.VERBOSE,
)
_NAMES = re.compile(r"(?:key|token|secret|passw(?:or)?d|passphrase|authorization|credentials?)(?:_?(?:one|two|[0-9]))?$", re.IGNORECASE)
_REFERENCE = re.compile(r".*\$\{.*|[a-z][a-z0-9_-]*:[A-Za-z_][\w./-]*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|login", re.DOTALL)
# An option of a command, a variable that it gets, or a field of an address or a header.
_FIELD = re.compile(
    r"""(?:(?<![^\s"'])-{0,2}|[?&;])(?P<name>[\w.-]*(?:key|token|secret|passw(?:or)?d|passphrase|authorization|credentials?))(?:=|:\s*|\s+)"""
    r"""(?P<value>[^\s&;"'#]+)""",
    re.IGNORECASE,
)
_OPTION = re.compile(r"--?[\w.-]+")
_FILE = re.compile(r"[./~].*|[A-Za-z]:[\\/].*|.*\.(?:pem|key|json|txt|env|crt|pub)|[0-9]+|-.*", re.DOTALL)
_STANDS_FOR = re.compile(r"your|my[-_]|xxx|\.\.\.|<|example|change|placeholder|dummy|test|none|null|todo|path-here", re.IGNORECASE)
_SHORTEST = 8
_COMMANDS = frozenset({"args", "arguments", "command", "cmd"})
# A line that is no document yet.
_LINE = re.compile(
    r"(?P<name>[\w-]*(?:key|token|secret|passw(?:or)?d|passphrase|authorization)[\"']?\s*[:=]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[\"']?[^\s,}\]\"']+)",
    re.IGNORECASE,
)


@attrs.frozen(kw_only=True)
class Leak:
    """A text that must not be shown.

    Attributes:
        severity: How sure it is; empty: it may be a secret, and is only kept from being shown.
        problem: What to say, without the text.
    """

    text: str = attrs.field(repr=False)
    severity: Literal["error", "warning", ""]
    problem: ConfigProblem


def secrets(document: Document) -> Iterator[Leak]:
    """Yield the secrets of a document, and what may be one."""
    for path, (place, _) in document.places().items():
        value = _at(document.data, path)
        if not isinstance(value, str):
            continue
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        where = {"path": _shown(path), "source": place.source, "line": place.line, "column": place.column}
        if match := _FORMS.search(value):
            message = f"a secret is written here; take it out, revoke it where others could read the file, and refer to it: ${{{_variable(name)}}}"
            yield Leak(text=match[0], severity="error", problem=ConfigProblem(message, **where))  # type: ignore[arg-type]
        elif _is_named(name, value):
            message = f"by its name this is a secret, and its value stands here; refer to it instead: ${{{_variable(name)}}}"
            yield Leak(text=value, severity="warning" if _is_meant(value) else "", problem=ConfigProblem(message, **where))  # type: ignore[arg-type]
        elif field := _field(value, path, document.data):
            name, text = field
            message = f"by its name {name!r} is a secret, and its value stands here; refer to it instead: ${{{_variable(name)}}}"
            yield Leak(text=text, severity="warning", problem=ConfigProblem(message, **where))  # type: ignore[arg-type]


def _field(value: str, path: Sequence[str | int], data: object) -> tuple[str, str] | None:
    """Return the name and the value of a secret within an address, or among a command and its arguments; None where there is none.

    Texts that people write are not looked into: they may speak of tokens.
    """
    if "://" in value and not any(letter.isspace() for letter in value):
        found = value
    elif not any(step in _COMMANDS for step in path):
        return None
    else:
        before = _at(data, (*path[:-1], path[-1] - 1)) if isinstance(path[-1], int) and path[-1] else ""
        found = f"{before} {value}" if isinstance(before, str) and _OPTION.fullmatch(before) else value
    for match in _FIELD.finditer(found):
        name, text = match["name"].lstrip("-"), match["value"]
        if not _REFERENCE.fullmatch(text) and not _FILE.fullmatch(text) and _is_meant(text) and text in value:
            return name, text
    return None


def is_secret(name: str, value: str) -> bool:
    """Tell whether a value is a secret, by its form or by its name."""
    return bool(_FORMS.search(value)) or (_is_named(name, value) and _is_meant(value))


def _is_named(name: str, value: str) -> bool:
    return bool(_NAMES.search(name) and value and not _REFERENCE.fullmatch(value))


def _is_meant(value: str) -> bool:
    return len(value) >= _SHORTEST and not _STANDS_FOR.search(value) and not any(letter.isspace() for letter in value)


def masked(line: str, hidden: Sequence[str]) -> str:
    """Return a line of a file as it may be shown: of the same length, with stars in place of secrets."""
    for text in hidden:
        for part in text.split("\n"):
            if len(part) > 2:
                line = line.replace(part, "*" * len(part))
    line = _FORMS.sub(lambda match: "*" * len(match[0]), line)
    return _LINE.sub(lambda match: match[0] if _is_reference(match["value"]) else match["name"] + "*" * len(match["value"]), line)


def _is_reference(text: str) -> bool:
    bare = text.strip("\"'")
    return not bare or bool(_REFERENCE.fullmatch(bare)) or bare in ("{", "[", "|", ">", "true", "false", "null")


def _variable(name: str) -> str:
    made = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return made if "_" in made else f"MY_{made or 'SECRET'}"


def _at(data: object, path: Sequence[str | int]) -> object:
    for step in path:
        data = data[step]  # type: ignore[index]
    return data


def _shown(path: Sequence[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
