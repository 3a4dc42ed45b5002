"""Imports one hook module and asks it what it provides: wholly valid, or refused with a reason and without a trace.

Each hook module gets a pluggy manager of its own, filled with every known hook specification. What fails is dropped with its manager, so that a
broken plugin touches no other; what is valid is published in tables that remember where it came from.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NoReturn

import attrs
import pluggy

import massgen_core.events
from massgen_core import __version__, hookspecs
from massgen_core.errors import PluginBroken, PluginRefused
from massgen_core.events import Event
from massgen_core.plugins import rules
from massgen_core.plugins.index import Entry
from massgen_core.specs import KINDS, Kind, Spec
from massgen_core.terminal import clean_line

__all__ = ["Loader", "Provided", "broken", "describe"]

EVENTS, KIND_HOOK, SPECS_HOOK = "massgen_event_types", "massgen_kinds", "massgen_hookspecs"
_KERNEL_EVENTS = {value.type for value in vars(massgen_core.events).values() if isinstance(value, type) and issubclass(value, Event)}


@attrs.frozen(kw_only=True)
class Provided:
    """What one hook module provides, and who brought it.

    Attributes:
        specs: By kind and name.
        hooks: The hooks that it implements.
    """

    entry: Entry
    module: ModuleType
    hooks: frozenset[str]
    specs: Mapping[tuple[str, str], Spec]
    kinds: Mapping[str, Kind]
    events: Mapping[str, type[Event]]
    namespaces: tuple[ModuleType | type, ...]


def describe(problem: BaseException) -> str:
    """Say in one cleaned line what was raised."""
    return clean_line(f"{type(problem).__name__}: {problem}".rstrip(": "), 400)


def broken(entry: Entry, what: str, advice: str = "") -> PluginBroken:
    """Return the error that names the distribution, what was found in it, and what to do."""
    advice = advice or f"report it to its authors, or remove it: pip uninstall {entry.distribution}"
    message = f"{entry.title} of {entry.label} is broken: {what}; {advice}"
    return PluginBroken(message, kind=entry.kind, name=entry.name, distributions=(entry.label,))


class Loader:
    """Loads hook modules, each at most once."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in KINDS}
        self.events: dict[str, type[Event]] = {}
        self._namespaces: list[ModuleType | type] = [hookspecs]
        self._loaded: dict[str, Provided] = {}
        self._is_traced = os.environ.get("MASSGEN_TRACE_PLUGINS", "0") not in ("", "0")

    def load(self, entry: Entry) -> Provided:
        """Return what the entry's hook module provides.

        Raises:
            PluginBroken: Its import or a hook raised, or a hook returned nonsense.
            PluginRefused: It implements a hook that nobody specified.
        """
        if entry.value not in self._loaded:
            provided = self._open(entry)
            self.kinds.update(provided.kinds)
            self.events.update(provided.events)
            self._namespaces += provided.namespaces
            self._loaded[entry.value] = provided
        return self._loaded[entry.value]

    def resolve(self, entry: Entry, reference: str, role: str) -> Any:
        """Return what a spec's `"module:attribute"` names.

        Raises:
            PluginBroken: The module does not import, or has no such attribute.
        """
        if not rules.REFERENCE.fullmatch(reference):
            raise broken(entry, f'its {role} is {clean_line(repr(reference))}; a {role} is written "module:attribute"')
        module, _, path = reference.partition(":")
        found: Any = self._import(entry, module, f"its {role} {reference!r}")
        for attribute in path.split("."):
            try:
                found = getattr(found, attribute)
            except AttributeError as problem:
                raise broken(entry, f"its {role} {reference!r} does not resolve: {describe(problem)}") from problem
        return found

    def _open(self, entry: Entry) -> Provided:
        if not rules.MODULE.fullmatch(entry.value):
            raise broken(entry, f"its entry point leads to {entry.value!r}; an entry point of {entry.group} names a module")
        module = self._import(entry, entry.value, f"its hook module {entry.value}")
        manager = pluggy.PluginManager("massgen")
        if self._is_traced:
            manager.add_hookcall_monitoring(*_tracer(entry))
        for namespace in self._namespaces:
            manager.add_hookspecs(namespace)
        namespaces = self._register(entry, module, manager)
        hooks = frozenset(caller.name for caller in manager.get_hookcallers(module) or () if caller.has_spec())
        ask = _Question(entry, manager, hooks)
        kinds = ask.kinds(self.kinds)
        return Provided(
            entry=entry,
            module=module,
            hooks=hooks,
            namespaces=namespaces,
            kinds=kinds,
            events=ask.events(_KERNEL_EVENTS, self.events),
            specs={(kind.name, spec.name): spec for kind in {**self.kinds, **kinds}.values() for spec in ask.specs(kind)},
        )

    def _register(self, entry: Entry, module: ModuleType, manager: pluggy.PluginManager) -> tuple[ModuleType | type, ...]:
        """Register the module and the hooks that it specifies; return where it specifies them."""
        try:
            manager.register(module, entry.label)
            namespaces: tuple[ModuleType | type, ...] = ()
            if any(caller.name == SPECS_HOOK for caller in manager.get_hookcallers(module) or ()):
                namespaces = tuple(_Question(entry, manager, frozenset((SPECS_HOOK,))).items(SPECS_HOOK, "modules or classes of hook specifications"))
            for namespace in namespaces:
                manager.add_hookspecs(namespace)
        except (pluggy.PluginValidationError, ValueError, TypeError) as problem:
            raise broken(entry, f"{entry.value} breaks a rule of hooks: {describe(problem)}") from problem
        for caller in manager.get_hookcallers(module) or ():
            for implementation in caller.get_hookimpls():
                if not caller.has_spec() and not implementation.optionalhook:
                    _refuse(entry, caller.name)
                if implementation.wrapper or implementation.hookwrapper:
                    raise broken(entry, f"hook {caller.name} of {entry.value} is a wrapper; a hook of MassGen returns a list")
        return namespaces

    def _import(self, entry: Entry, module: str, what: str) -> ModuleType:
        start = time.perf_counter()
        try:
            return importlib.import_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # SystemExit included: a plugin does not end the program
            if isinstance(problem, ImportError) and problem.name == "massgen_core.api":
                _refuse(entry, describe(problem), problem)
            advice = ""
            if isinstance(problem, ModuleNotFoundError) and problem.name:
                advice = f"install what it needs: pip install --force-reinstall {entry.distribution}"
            raise broken(entry, f"{what} raised {describe(problem)} on import", advice) from problem
        finally:
            if self._is_traced:
                _trace(f"import {module} for {entry.label}: {(time.perf_counter() - start) * 1e3:.1f} ms")


class _Question:
    """Asks one hook module, through its manager."""

    def __init__(self, entry: Entry, manager: pluggy.PluginManager, hooks: frozenset[str]) -> None:
        self._entry, self._manager, self._hooks = entry, manager, hooks

    def items(self, hook: str, wanted: str) -> list[Any]:
        if hook not in self._hooks:
            return []
        try:
            results = getattr(self._manager.hook, hook)()
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            advice = "it may need a newer massgen-core: pip install --upgrade massgen-core" if "unexpected keyword argument" in str(problem) else ""
            raise broken(self._entry, f"hook {hook} of {self._entry.value} raised {describe(problem)}", advice) from problem
        if not results:
            self.reject(hook, "returned None", wanted)
        for result in results:
            if not isinstance(result, (list, tuple)):
                self.reject(hook, f"returned {clean_line(repr(result))}", wanted)
        return [item for result in results for item in result]

    def reject(self, hook: str, found: str, wanted: str) -> NoReturn:
        raise broken(self._entry, f"hook {hook} of {self._entry.value} {found}; it must return a list of {wanted}")

    def specs(self, kind: Kind) -> list[Spec]:
        wanted = kind.spec.__name__
        specs = self.items(kind.hook, wanted)
        names: set[str] = set()
        for spec in specs:
            fault = rules.spec_fault(spec, kind, names)
            if fault:
                self.reject(kind.hook, fault, wanted)
            names.add(spec.name)
        return specs

    def kinds(self, present: Mapping[str, Kind]) -> dict[str, Kind]:
        kinds: dict[str, Kind] = {}
        for kind in self.items(KIND_HOOK, "Kind"):
            fault = rules.kind_fault(kind, {**present, **kinds})
            caller = None if fault else getattr(self._manager.hook, kind.hook, None)
            if not fault and (caller is None or not caller.has_spec()):
                fault = f"names the hook {kind.hook!r}, which no {SPECS_HOOK} specifies"
            if fault:
                self.reject(KIND_HOOK, fault, "Kind")
            kinds[kind.name] = kind
        return kinds

    def events(self, kernel: set[str], present: Mapping[str, type[Event]]) -> dict[str, type[Event]]:
        events: dict[str, type[Event]] = {}
        for event in self.items(EVENTS, "event classes"):
            fault = rules.event_fault(event, kernel, {**present, **events})
            if fault:
                self.reject(EVENTS, fault, "event classes")
            events[event.type] = event
        return events


def _refuse(entry: Entry, what: str, cause: BaseException | None = None) -> NoReturn:
    message = (
        f"{entry.title} of {entry.label} needs a newer massgen-core than {__version__}: it uses {what}, which this one does not have; "
        "upgrade it: pip install --upgrade massgen-core"
    )
    raise PluginRefused(message, kind=entry.kind, name=entry.name, distributions=(entry.label,)) from cause


def _tracer(entry: Entry) -> tuple[Any, Any]:
    def before(hook: str, methods: Any, arguments: Any) -> None:
        _trace(f"{hook}() of {entry.label} ({entry.value})")

    def after(outcome: pluggy.Result[Any], hook: str, methods: Any, arguments: Any) -> None:
        _trace(
            f"{hook}() raised {describe(outcome.exception)}"
            if outcome.exception
            else f"{hook}() returned {clean_line(repr(outcome.get_result()), 1000)}"
        )

    return before, after


def _trace(text: str) -> None:
    sys.stderr.write(f"massgen plugins: {text}\n")
