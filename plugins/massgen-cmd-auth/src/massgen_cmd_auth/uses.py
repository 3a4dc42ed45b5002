"""What uses secrets: backends by themselves, and configuration files by reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import App, BackendSpec, MassGenError, PluginProblem, is_reference, read_document, structure

__all__ = ["Use", "of_backends", "of_file"]

# Options that hold nothing but references, so that a name without a store is one, too.
_KEYS = re.compile(r"(?i)(?:.*_)?key\Z")
_BARE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_MOST = 200


@attrs.frozen(kw_only=True)
class Use:
    """A reference to a secret, and who has it.

    Attributes:
        reference: `STORE:KEY`, or a name without a store.
        user: A backend, or a place in a file.
        purpose: What for; may be empty.
    """

    reference: str
    user: str
    purpose: str = ""

    @property
    def title(self) -> str:
        """The user with the purpose."""
        return f"{self.user} ({self.purpose})" if self.purpose else self.user


def of_backends(app: App) -> Iterator[Use]:
    """Yield what the installed backends ask for by themselves; one that is broken is passed over with a message."""
    for name in app.plugins.names("backend"):
        try:
            spec = app.plugins.get("backend", name)
        except PluginProblem as problem:
            app.err(str(problem))
            continue
        if isinstance(spec, BackendSpec):
            for reference, purpose in spec.keys.items():
                yield Use(reference=reference, user=name, purpose=purpose)


def of_file(app: App, file: Path) -> Iterator[Use]:
    """Yield the references to secrets in a configuration file, in its order, and then the keys that its backends look for because it names none.

    Raises:
        ConfigProblems: It cannot be read.
    """
    document = read_document(file, comments=True, includes=True)

    def used(reference: str, path: str) -> Use:
        line = document.problem("", path).line
        return Use(reference=reference, user=f"{file}:{line}" if line else str(file), purpose=path)

    for path, text in _texts(document.data, ""):
        last = re.split(r"[.\[]", path)[-1]
        is_one = is_reference(text, app.plugins) and not re.search(r"[\s=]", text) if ":" in text else _KEYS.match(last) and _BARE.match(text)
        if is_one and len(text) <= _MOST and text.isprintable():
            yield used(text, path)
    for path, name, options in _backends(document.data, ""):
        if reference := _usual(app, name, options):
            yield used(reference, path)


def _backends(data: Any, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the backends in a configuration: place, name and options."""
    for key, value in data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ():
        place = f"{path}[{key}]" if isinstance(data, list) else f"{path}.{key}" if path else str(key)
        options = {"type": value} if isinstance(value, str) else value
        if key == "backend" and isinstance(options, Mapping) and isinstance(name := options.get("type"), str):
            yield place, name, {str(option): given for option, given in options.items() if option != "type"}
        else:
            yield from _backends(value, place)


def _usual(app: App, name: str, options: Mapping[str, Any]) -> str:
    """Return the key that a backend looks for by itself, as the `reference` of its configuration tells; empty where one is named or none known."""
    if options.get("key"):
        return ""
    try:
        spec = app.plugins.get("backend", name)
        reference = getattr(structure(spec.config, options), "reference", "") if isinstance(spec, BackendSpec) and spec.config else ""
    except MassGenError:  # a run tells what is wrong with it
        return ""
    return reference if isinstance(reference, str) else ""


def _texts(data: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _texts(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, f"{path}[{index}]")
