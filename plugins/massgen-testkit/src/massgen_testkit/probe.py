"""Loading a plugin in a process of its own, to see what that costs and touches.

This file is also the script which that process runs; so its top imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import subprocess
import sys
from typing import Any

# What no hook module may import: heavy, or of use on run paths only.
BANNED = (
    "anthropic",
    "cattrs",
    "docker",
    "google.genai",
    "httpx",
    "httpx2",
    "hypothesis",
    "loguru",
    "mcp",
    "numpy",
    "openai",
    "pydantic",
    "pytest",
    "requests",
    "rich",
    "textual",
    "xllamacpp",
    "yaml",
)
SECONDS = 60.0


@functools.lru_cache(maxsize=64)
def probe(module: str, hook: str, name: str) -> dict[str, Any]:
    """Load a hook module, then what its spec names, with the network closed, in a fresh interpreter.

    Returns:
        `hook_modules`: modules that the hook module added; `banned`: those of them that are banned; `network`: addresses that were tried;
        `output`: what was printed; `failure`: why it could not go on, empty where it could; `stage`: how far it came.
    """
    command = [sys.executable, "-X", "utf8", __file__, module, hook, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, encoding="utf-8")  # noqa: S603 - this file itself
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        found = {"stage": "crashed", "failure": done.stderr[-2000:], "hook_modules": [], "banned": [], "network": [], "output": ""}
    return found


def _close_network(tried: list[str]) -> None:
    import socket  # noqa: PLC0415 - the script's own process only

    def refuse(*arguments: Any, **_: Any) -> Any:
        tried.append(repr(arguments[-1] if arguments else ""))
        raise OSError("the network is closed while a plugin loads")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        setattr(socket, name, refuse)


def _resolve(reference: str) -> Any:
    import importlib  # noqa: PLC0415 - the script's own process only

    module, _, attribute = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _examine(module: str, hook: str, name: str) -> dict[str, Any]:
    import importlib  # noqa: PLC0415 - the script's own process only

    for mine in ("hookspecs", "plugins.loader", "specs"):  # what is there before the kernel imports any hook module
        importlib.import_module(f"massgen_core.{mine}")
    tried: list[str] = []
    found: dict[str, Any] = {"stage": "import", "failure": "", "hook_modules": [], "banned": [], "network": tried, "output": ""}
    printed = io.StringIO()
    _close_network(tried)
    before = set(sys.modules)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            loaded = importlib.import_module(module)
            specs = [spec for spec in getattr(loaded, hook)() if spec.name == name]
            added = sorted(each for each in set(sys.modules) - before if each.partition(".")[0] != "massgen_core")
            found["hook_modules"] = added
            found["banned"] = [each for each in added if any(each == banned or each.startswith(f"{banned}.") for banned in BANNED)]
            found["stage"] = "factory"
            for spec in specs:
                for reference in (spec.factory, getattr(spec, "catalogue", "")):
                    if reference:
                        _resolve(reference)
            found["stage"] = "loaded"
        except BaseException as error:  # a plugin may raise SystemExit as it loads
            found["failure"] = f"{type(error).__name__}: {error}"
    found["output"] = printed.getvalue()
    return found


if __name__ == "__main__":
    # The script's own folder would hide modules of the same names from the plugin.
    sys.path.pop(0)
    print(json.dumps(_examine(*sys.argv[1:])))  # noqa: T201 - read by `probe`
