"""Where models are on this machine, and which file a name means."""

from __future__ import annotations

import os
from pathlib import Path

from massgen_backend_local.weights import ALIASES, WEIGHTS, Weights
from massgen_core.api import ModelMissing

__all__ = ["find", "is_whole", "known", "models_folder"]


def models_folder(configured: str = "") -> Path:
    """Return the folder of pulled models: the configured one, MASSGEN_MODELS, or `massgen/models` in the user's cache."""
    if chosen := configured or os.environ.get("MASSGEN_MODELS", ""):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "massgen" / "models"


def known(name: str) -> Weights | None:
    """Return the model of a name or an alias, None where it is none that can be pulled."""
    wanted = ALIASES.get(name, name)
    return next((weights for weights in WEIGHTS if weights.name == wanted), None)


def is_whole(weights: Weights, folder: Path) -> bool:
    """Tell whether a pulled file is there and has its size; its hash was checked when it came."""
    try:
        return (folder / f"{weights.name}.gguf").stat().st_size == weights.size
    except OSError:
        return False


def find(model: str, folder: Path) -> Path:
    """Return the file of a model.

    Args:
        model: A name, an alias, the path of a GGUF file, or nothing: the best model that is pulled.
        folder: Where pulled models are.

    Raises:
        ModelMissing: It is not here, or not whole; the message says what to do.
    """
    if not model:
        weights = next((one for one in WEIGHTS if is_whole(one, folder)), WEIGHTS[0])
    elif model.endswith(".gguf") or model.startswith((".", "/", "~")):  # a project's file must be trusted for these, and for no others
        return _given(Path(model).expanduser().absolute())
    elif (found := known(model)) is not None:
        weights = found
    elif "/" not in model and (other := folder / f"{model}.gguf").is_file():
        return other
    else:
        names = ", ".join(one.name for one in WEIGHTS)
        raise ModelMissing(f"there is no model {model!r}; choose one of {names}, or give the path of a .gguf file")
    file = folder / f"{weights.name}.gguf"
    if is_whole(weights, folder):
        return file
    if file.exists():
        raise ModelMissing(
            f"{file} has {file.stat().st_size:,} bytes instead of {weights.size:,}: it is not whole; "
            f"fetch it again with: massgen models pull {weights.name}"
        )
    smaller = "" if weights.name == ALIASES["small"] else "; a smaller one: massgen models pull --small"
    raise ModelMissing(
        f"model {weights.name!r} is not on this machine ({folder}); fetch it once ({weights.size / 1e9:.1f} GB) with: "
        f"massgen models pull{'' if weights is WEIGHTS[0] else f' {weights.name}'}{smaller}"
    )


def _given(path: Path) -> Path:
    if path.is_file():
        return path
    what = "is a folder" if path.is_dir() else "does not exist"
    raise ModelMissing(f"the model file {path} {what}; give the path of a .gguf file, or a name that `massgen models` lists")
