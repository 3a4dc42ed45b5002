"""Imports one hook module and asks it what it provides: wholly valid, or refused with a reason and without a trace.

Each hook module gets a pluggy manager of its own, filled with every known hook specification. What fails is dropped with its manager, so that a
broken plugin touches no other; what is valid is published in tables that remember where it came from.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import attrs
import pluggy

from massgen_core import __version__, hookspecs
from massgen_core.errors import PluginBroken, PluginRefused
from massgen_core.plugins import rules
from massgen_core.plugins.index import Entry
from massgen_core.specs import KINDS, Kind, Spec

if TYPE_CHECKING:
    from massgen_core.events import Event

__all__ = ["Loader", "Provided"]

Namespace: TypeAlias = ModuleType | type


@attrs.frozen(kw_only=True)
class Provided:
    """What one hook module provides, and who brought it.

    Attributes:
        specs: By kind and name.
        kinds: Kinds of its own, by name.
        events: Events of its own, by type.
        namespaces: Where it specifies hooks of its own.
    """

    entry: Entry
    module: ModuleType
    specs: Mapping[tuple[str, str], Spec]
    kinds: Mapping[str, Kind]
    events: Mapping[str, type[Event]]
    namespaces: Sequence[Namespace]


class Loader:
    """Loads hook modules, each at most once.

    Attributes:
        kinds: The kernel's kinds and those of the loaded modules.
        events: The events of the loaded modules.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in KINDS}
        self.events: dict[str, type[Event]] = {}
        self._namespaces: list[Namespace] = [hookspecs]
        self._loaded: dict[str, Provided] = {}
        self._is_traced = os.environ.get("MASSGEN_TRACE_PLUGINS", "0") not in ("", "0")

    def load(self, entry: Entry) -> Provided:
        """Return what the entry's hook module provides.

        Raises:
            PluginBroken: Its import or a hook raised, or a hook returned nonsense.
            PluginRefused: It uses what this kernel does not have.
        """
        if entry.value not in self._loaded:
            provided = self._open(entry)
            self.kinds.update(provided.kinds)
            self.events.update(provided.events)
            self._namespaces += provided.namespaces
            self._loaded[entry.value] = provided
        return self._loaded[entry.value]

    def has(self, entry: Entry) -> bool:
        """Say whether the entry's hook module is loaded."""
        return entry.value in self._loaded

    def resolve(self, entry: Entry, reference: str, role: str) -> Any:
        """Return what a spec's `"module:attribute"` names.

        Raises:
            PluginBroken: The module does not import, or has no such attribute.
        """
        if not rules.REFERENCE.fullmatch(reference):
            raise _broken(entry, f'its {role} is {rules.show(reference)}; a {role} is written "module:attribute"')
        module, _, path = reference.partition(":")
        found: Any = self._import(entry, module, f"its {role} {reference!r}")
        for attribute in path.split("."):
            try:
                found = getattr(found, attribute)
            except Exception as problem:
                raise _broken(entry, f"its {role} {reference!r} does not resolve: {rules.raised(problem)}") from problem
        return found

    def factory(self, entry: Entry, reference: str) -> Callable[..., Any]:
        """Return a spec's factory. Raises as `resolve` does."""
        found = self.resolve(entry, reference, "factory")
        if not callable(found):
            raise _broken(entry, f"its factory {reference!r} is {rules.show(found)}, which cannot be called")
        return found  # type: ignore[no-any-return]

    def unkept(self, entry: Entry, hook: str, yielded: Sequence[str]) -> PluginBroken:
        """Return the error of an entry point whose hook does not yield what its name promises."""
        plain = getattr(self._loaded[entry.value].module, hook, None)
        hint = f" ({hook} there lacks the @hookimpl marker)" if callable(plain) and not hasattr(plain, "massgen_impl") else ""
        yields = f"hook {hook} of {entry.value} yields {', '.join(yielded) or 'nothing'}{hint}"
        return _broken(entry, f"its entry point promises {entry.title!r}, but {yields}; the two names must be the same")

    def _open(self, entry: Entry) -> Provided:
        if not rules.MODULE.fullmatch(entry.value):
            raise _broken(entry, f"its entry point leads to {entry.value!r}; an entry point of {entry.group} names a module")
        module = self._import(entry, entry.value, f"its hook module {entry.value}")
        manager = pluggy.PluginManager("massgen")
        if self._is_traced:
            manager.add_hookcall_monitoring(*_tracer(entry))
        for namespace in self._namespaces:
            manager.add_hookspecs(namespace)
        asked = _Asked(entry, manager)
        namespaces = asked.register(module)
        kinds = asked.kinds(self.kinds)
        return Provided(
            entry=entry,
            module=module,
            namespaces=namespaces,
            kinds=kinds,
            events=asked.events(self.events),
            specs={(kind.name, spec.name): spec for kind in (*self.kinds.values(), *kinds.values()) for spec in asked.specs(kind)},
        )

    def _import(self, entry: Entry, module: str, what: str) -> ModuleType:
        is_new, start = module not in sys.modules, time.perf_counter()
        try:
            return importlib.import_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # SystemExit included: a plugin does not end the program
            if isinstance(problem, ImportError) and problem.name == "massgen_core.api":
                _refuse(entry, f"needs {rules.raised(problem)}", problem)
            advice = ""
            if isinstance(problem, ModuleNotFoundError):
                advice = f"install it again with all that it needs: pip install --force-reinstall {entry.distribution}"
            raise _broken(entry, f"{what} raised {rules.raised(problem)} on import", advice) from problem
        finally:
            if self._is_traced and is_new:
                _trace(f"import {module} of {entry.label} took {(time.perf_counter() - start) * 1e3:.1f} ms")


class _Asked:
    """One hook module and its manager, while it is asked."""

    def __init__(self, entry: Entry, manager: pluggy.PluginManager) -> None:
        self._entry, self._manager = entry, manager
        self._hooks: set[str] = set()

    def register(self, module: ModuleType) -> tuple[Namespace, ...]:
        """Register the module and the hooks that it specifies; return where it specifies them."""
        namespaces: tuple[Namespace, ...] = ()
        try:
            self._manager.register(module, self._entry.label)
            callers = self._manager.get_hookcallers(module) or []
            self._hooks = {caller.name for caller in callers}
            namespaces = tuple(self._items(rules.SPECS, "modules or classes that specify hooks"))
            for namespace in namespaces:
                self._manager.add_hookspecs(namespace)
        except (pluggy.PluginValidationError, ValueError, TypeError) as problem:
            raise _broken(self._entry, f"{self._entry.value} breaks a rule of hooks: {rules.raised(problem)}") from problem
        for caller in callers:
            for implementation in caller.get_hookimpls():
                if not caller.has_spec() and not implementation.optionalhook:
                    _refuse(self._entry, f"implements the hook {caller.name}")
                if implementation.wrapper or implementation.hookwrapper:
                    raise _broken(self._entry, f"hook {caller.name} of {self._entry.value} is a wrapper; a hook returns a list")
        return namespaces

    def specs(self, kind: Kind) -> list[Spec]:
        """Return the module's specs of a kind."""
        wanted = kind.spec.__name__
        specs = self._items(kind.hook, wanted)
        names: set[str] = set()
        for spec in specs:
            if fault := rules.spec_fault(spec, kind, names):
                self._reject(kind.hook, fault, wanted)
            names.add(spec.name)
        return specs

    def kinds(self, present: Mapping[str, Kind]) -> dict[str, Kind]:
        """Return the module's kinds, whose hooks are specified by now."""
        kinds: dict[str, Kind] = {}
        for kind in self._items(rules.KINDS, "Kind"):
            fault = rules.kind_fault(kind, {**present, **kinds})
            if not fault and not (hasattr(self._manager.hook, kind.hook) and getattr(self._manager.hook, kind.hook).has_spec()):
                fault = f"holds the kind {kind.name!r} with the hook {kind.hook!r}, which no {rules.SPECS} specifies"
            if fault:
                self._reject(rules.KINDS, fault, "Kind")
            kinds[kind.name] = kind
        return kinds

    def events(self, present: Mapping[str, type[Event]]) -> dict[str, type[Event]]:
        """Return the module's events."""
        events: dict[str, type[Event]] = {}
        for event in self._items(rules.EVENTS, "Event classes"):
            if fault := rules.event_fault(event, {**present, **events}):
                self._reject(rules.EVENTS, fault, "Event classes")
            events[event.type] = event
        return events

    def _items(self, hook: str, wanted: str) -> list[Any]:
        if hook not in self._hooks:
            return []
        try:
            results = getattr(self._manager.hook, hook)()
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # SystemExit included
            is_newer = isinstance(problem, TypeError) and "unexpected keyword argument" in str(problem)
            advice = "it may be made for a newer kernel: pip install --upgrade massgen-core" if is_newer else ""
            raise _broken(self._entry, f"hook {hook} of {self._entry.value} raised {rules.raised(problem)}", advice) from problem
        if not results:
            self._reject(hook, "returned None", wanted)
        for result in results:
            if not isinstance(result, (list, tuple)):
                self._reject(hook, f"returned {rules.show(result)}", wanted)
        return [item for result in results for item in result]

    def _reject(self, hook: str, found: str, wanted: str) -> NoReturn:
        raise _broken(self._entry, f"hook {hook} of {self._entry.value} {found}; it must return a list of {wanted}")


def _broken(entry: Entry, what: str, advice: str = "") -> PluginBroken:
    """Return the error that names the distribution, what was found in it, and what to do."""
    advice = advice or f"report it to its authors, or remove it: pip uninstall {entry.distribution}"
    message = f"{entry.title} of {entry.label} is broken: {what}; {advice}"
    return PluginBroken(message, kind=entry.kind, name=entry.name, distributions=(entry.label,))


def _refuse(entry: Entry, what: str, cause: BaseException | None = None) -> NoReturn:
    message = (
        f"{entry.title} of {entry.label} needs a newer massgen-core than {__version__}: it {what}, which this one does not know; "
        "upgrade: pip install --upgrade massgen-core"
    )
    raise PluginRefused(message, kind=entry.kind, name=entry.name, distributions=(entry.label,)) from cause


def _tracer(entry: Entry) -> tuple[Any, Any]:
    def before(hook: str, methods: Any, arguments: Any) -> None:
        _trace(f"{hook}() of {entry.label} ({entry.value})")

    def after(outcome: pluggy.Result[Any], hook: str, methods: Any, arguments: Any) -> None:
        problem = outcome.exception
        _trace(f"{hook}() raised {rules.raised(problem)}" if problem else f"{hook}() returned {rules.show(outcome.get_result(), 1000)}")

    return before, after


def _trace(text: str) -> None:
    sys.stderr.write(f"massgen plugins: {text}\n")
