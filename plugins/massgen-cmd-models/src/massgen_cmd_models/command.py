"""`massgen models` and `massgen models pull`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from massgen_cmd_models.progress import Progress
from massgen_core.api import App, BackendSpec, Catalogue, ModelInfo, PluginProblem, UsageProblem

__all__ = ["Models"]

SMALL = "small"


class Models:
    """Lists and fetches; each backend's catalogue does the work."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "List the models that installed backends offer. With `pull`: fetch one that then runs on this machine."
        parser.add_argument("action", nargs="?", choices=["list", "pull"], default="list", help="what to do; list, where nothing is given")
        parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the model to pull; the backend's best one, where nothing is given")
        parser.add_argument("--small", action="store_true", help="pull the backend's small model: less to fetch, faster, less able")
        parser.add_argument("--backend", default="", metavar="BACKEND", help="this backend's models only")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        if arguments.action == "pull":
            return _pull(arguments, app)
        if arguments.name or arguments.small:
            raise UsageProblem("a model's name and --small belong to: massgen models pull")
        found, problems = _catalogues(app, arguments.backend)
        for problem in problems:
            app.err(str(problem))
        if not found and not problems:
            app.err("no installed backend has a catalogue of models; one for this machine comes with: pip install massgen-backend-local")
        for backend, catalogue in found.items():
            _show(backend, catalogue.models(), app)
        return 1 if problems else 0


def _catalogues(app: App, only: str) -> tuple[dict[str, Catalogue], list[PluginProblem]]:
    """Return the catalogues by backend, and what is wrong with backends that should have one."""
    found: dict[str, Catalogue] = {}
    problems: list[PluginProblem] = []
    for name in [only] if only else app.plugins.names("backend"):
        try:
            spec = app.plugins.get("backend", name)
            reference = spec.catalogue if isinstance(spec, BackendSpec) else ""
            if reference:
                found[name] = app.plugins.resolve(reference, kind="backend", name=name)
            elif only:
                raise UsageProblem(f"backend {name!r} has no catalogue of models; `massgen models` shows those that have one")
        except PluginProblem as problem:
            if only:
                raise
            problems.append(problem)
    return found, problems


def _show(backend: str, models: Sequence[ModelInfo], app: App) -> None:
    app.out(f"{backend}:")
    if not models:
        app.out("  no models")
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        size = amount(model.size) if model.size else ""
        place = "here" if model.is_local else "-"
        app.out(f"  {model.name:<{width}}  {size:>7}  {model.license or '-':<10}  {place:<4}  {model.summary}".rstrip())


def _pull(arguments: argparse.Namespace, app: App) -> int:
    if arguments.small and arguments.name:
        raise UsageProblem("give a model's name or --small, not both")
    name = SMALL if arguments.small else arguments.name
    found, problems = _catalogues(app, arguments.backend)
    for problem in problems:
        app.err(str(problem))
    backend = _choose(found, name)
    with Progress(app.err) as progress:
        path = found[backend].pull(name, progress)
    app.out(str(path))
    return 0


def _choose(found: Mapping[str, Catalogue], name: str) -> str:
    """Return the backend that has the model; without a name the local one, or the only one."""
    if not found:
        raise UsageProblem("no installed backend has models to fetch; install one: pip install massgen-backend-local")
    having = [backend for backend, catalogue in found.items() if name and any(model.name == name for model in catalogue.models())]
    likely = having or (["local"] if "local" in found else list(found))
    if len(likely) > 1:
        raise UsageProblem(f"several backends have {name or 'models to fetch'}: {', '.join(likely)}; choose one with --backend")
    return likely[0]


def amount(size: int) -> str:
    """Return a number of bytes for people: `1.1 GB`, `98 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
