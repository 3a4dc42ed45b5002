#!/usr/bin/python3 -IS
"""`npx`, `uvx` and the installed programs in an image that was made for one MCP server: they start what is there, and fetch nothing."""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from typing import Any, NoReturn

PLACE = "/opt/massgen-server"
FLAGS = {"-y", "--yes", "-q", "--quiet", "--no-install", "--offline", "--prefer-offline", "--isolated", "--"}
VALUES = {"--from", "-p", "--package", "--python", "--with"}


def leave(text: str) -> NoReturn:
    """Say why nothing is started."""
    sys.stderr.write(f"{text}\n")
    sys.exit(127)


def parted(wanted: str) -> tuple[str, str]:
    """Return a package's name and the version that is asked for."""
    name, sign, version = wanted.rpartition("==") if "==" in wanted else wanted.rpartition("@")
    return (name.partition("[")[0], version) if sign and name else (wanted.partition("[")[0], "")


def asked(words: list[str], known: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the program that `npx` or `uvx` is told to start, and its arguments."""
    words = list(words)
    packages = []
    while words and words[0].startswith("-"):
        word, _, value = words.pop(0).partition("=")
        if word in VALUES:
            value = value or (words.pop(0) if words else "")
            packages += [] if word in ("--python", "--with") else [value]
        elif word not in FLAGS:
            leave(f"{word}: nothing is installed here any more; this image holds {', '.join(known['packages'])}")
    if not words:
        leave("the package is missing")
    program = words.pop(0)
    name, version = parted(packages[0] if packages else program)
    found = {each.lower().replace("_", "-"): held for each, held in known["packages"].items()}.get(name.lower().replace("_", "-"))
    if found is None:
        leave(f"{name} is not in this image, which holds {', '.join(known['packages'])}; massgen docker build-server makes another")
    if version not in ("", "latest", found["version"]):
        leave(f"{name} {version} is not in this image, which holds version {found['version']}; massgen docker build-server makes another")
    return (program if packages else found["program"]), words


def main() -> None:
    """Become the program."""
    with open(f"{PLACE}/programs.json", encoding="utf-8") as file:
        known = json.load(file)
    program, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    if program in ("npx", "uvx"):
        program, words = asked(words, known)
    if program not in known["programs"]:
        leave(f"{program} is not in this image; it has {', '.join(known['programs'])}")
    kind, place, attribute = known["programs"][program]
    if kind == "node":
        os.execv("/usr/local/bin/node", ["node", place, *words])  # noqa: S606
    root = attribute.partition(".")[0]
    code = f"import sys; sys.argv[0] = {program!r}; from {place} import {root}; sys.exit({attribute}())"
    os.execv("/usr/bin/python3", ["python3", "-c", code, *words])  # noqa: S606


if __name__ == "__main__":
    main()
