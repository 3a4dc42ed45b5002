"""`massgen models` and `massgen models pull`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from massgen_cmd_models.options import add_options, read_options
from massgen_cmd_models.progress import Progress
from massgen_core.api import App, BackendSpec, Capabilities, Catalogue, ModelInfo, PluginProblem, Price, UsageProblem, clean_line, listed_model

__all__ = ["Models", "catalogue_of", "said"]

SMALL = "small"


class Models:
    """Lists and fetches; each backend's catalogue does the work."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "List the models that installed backends offer, what they can do and what they cost. "
            "With `pull`: fetch one, which then runs on this machine without any key or network."
        )
        parser.add_argument("what", nargs="?", default="list", metavar="BACKEND | pull", help="this backend's models only, or fetch one")
        parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the model to pull; the backend's best one, where nothing is given")
        parser.add_argument("--small", action="store_true", help="pull the backend's small model: less to fetch, faster, less able")
        parser.add_argument("--backend", default="", metavar="BACKEND", help="this backend's models only")
        parser.add_argument("--remote", action="store_true", help="ask the backend's server which models it has now; needs its key, costs nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        if arguments.what == "pull":
            if arguments.remote or arguments.json or arguments.sets:
                raise UsageProblem("--remote, --json and --set belong to listing")
            return _pull(arguments, app)
        if arguments.name or arguments.small:
            raise UsageProblem("a model's name and --small belong to: massgen models pull")
        named = "" if arguments.what == "list" else arguments.what
        if named and arguments.backend not in ("", named):
            raise UsageProblem("two backends are named; leave one out")
        only = named or arguments.backend
        if arguments.remote or arguments.sets:
            return _remote(arguments, only, app)
        found, problems = _catalogues(app, only)
        for problem in problems:
            app.err(str(problem))
        if not found and not problems and not arguments.json:
            app.err("no installed backend has a catalogue of models; one for this machine comes with: pip install massgen-backend-local")
        _print({name: catalogue.models() for name, catalogue in found.items()}, app, is_json=arguments.json)
        return 1 if problems else 0


def _remote(arguments: argparse.Namespace, only: str, app: App) -> int:
    """List what the server has now, with what only the catalogue knows: mostly prices, and often how much a model can read."""
    if not only or not arguments.remote:
        raise UsageProblem("--remote and --set need each other's backend: massgen models BACKEND --remote --set KEY=VALUE")
    catalogue = catalogue_of(app, only)
    ask = getattr(catalogue, "remote", None)
    if ask is None:
        raise UsageProblem(f"backend {only!r} cannot ask a server for its models; without --remote its own list is shown")
    import anyio  # noqa: PLC0415 - listing without a server needs no event loop

    async def asked() -> Sequence[ModelInfo]:
        async with app.context() as context:
            options = read_options(arguments.sets)
            return [_known(one, catalogue, options) for one in await ask(options, context)]

    _print({only: anyio.run(asked)}, app, is_json=arguments.json)
    return 0


def _known(model: ModelInfo, catalogue: Catalogue | None, options: Mapping[str, Any]) -> ModelInfo:
    known = listed_model(catalogue.models(), options, model.name) if catalogue is not None else None
    if known is None:
        return model
    return attrs.evolve(model, price=model.price or known.price, context=model.context or known.context, summary=model.summary or known.summary)


def catalogue_of(app: App, backend: str) -> Catalogue | None:
    """Return a backend's catalogue; None where it has none.

    Raises:
        PluginProblem: There is no such backend, or it is broken.
    """
    spec = app.plugins.get("backend", backend)
    if not isinstance(spec, BackendSpec) or not spec.catalogue:
        return None
    catalogue: Catalogue = app.plugins.resolve(spec.catalogue, kind="backend", name=backend)
    return catalogue


def _catalogues(app: App, only: str) -> tuple[dict[str, Catalogue], list[PluginProblem]]:
    """Return the catalogues by backend, and what is wrong with backends that should have one."""
    found: dict[str, Catalogue] = {}
    problems: list[PluginProblem] = []
    for name in [only] if only else app.plugins.names("backend"):
        try:
            catalogue = catalogue_of(app, name)
        except PluginProblem as problem:
            if only:
                raise
            problems.append(problem)
            continue
        if catalogue is not None:
            found[name] = catalogue
        elif only:
            raise UsageProblem(f"backend {name!r} has no catalogue of models; `massgen models` shows those that have one")
    return found, problems


def _print(found: Mapping[str, Sequence[ModelInfo]], app: App, *, is_json: bool) -> None:
    abilities = {name: said(getattr(app.plugins.get("backend", name), "capabilities", None)) for name in found}
    if is_json:
        data = {name: {"capabilities": abilities[name], "models": [attrs.asdict(model) for model in models]} for name, models in found.items()}
        app.out(json.dumps(data, indent=2, default=str))
        return
    for name, models in found.items():
        app.out(f"{name}: {', '.join(abilities[name])}".rstrip(": "))
        for line in _table(models):
            app.out(f"  {line}")


def said(capabilities: Capabilities | None) -> list[str]:
    """Return what a backend can do, in words."""
    return [] if capabilities is None else [name.replace("_", " ") for name, can in attrs.asdict(capabilities).items() if can]


def _table(models: Sequence[ModelInfo]) -> list[str]:
    """Return a line for each model, in columns; what no model has takes no room."""
    if not models:
        return ["no models"]
    rows = [
        (
            clean_line(model.name, 80),
            amount(model.size) if model.size else "",
            f"{model.context:,}" if model.context else "",
            _price(model.price),
            clean_line(model.license, 30),
            "here" if model.is_local else "",
            clean_line(model.summary, 120),
        )
        for model in models
    ]
    heads = ("MODEL", "SIZE", "CONTEXT", "$ IN / OUT PER MILLION", "LICENCE", "PLACE", "")
    used = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    widths = [max(len(row[number]) for row in (heads, *rows)) for number in range(len(heads))]
    lines = []
    for row in (heads, *rows):
        cells = (row[number].rjust(widths[number]) if number in (1, 2, 3) else row[number].ljust(widths[number]) for number in used)
        lines.append("  ".join(cells).rstrip())
    days = sorted({model.price.as_of for model in models if model.price is not None and model.price.as_of})
    if days:
        lines.append(f"prices as of {days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}; yours go first: `prices` in a configuration")
    return lines


def _price(price: Price | None) -> str:
    return "" if price is None else "free" if not price.input and not price.output else f"{_dollars(price.input)} / {_dollars(price.output)}"


def _dollars(amount: float) -> str:
    text = f"{amount:.4f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part:0<2}"


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
