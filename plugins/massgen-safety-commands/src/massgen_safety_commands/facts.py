"""What commands and code do, as plain facts: programs that are called, and paths that are used."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

import attrs

__all__ = ["DEPTH", "LOOKED", "Access", "Call", "Facts", "Tangled", "Use"]

Access: TypeAlias = Literal["read", "write", "delete"]
DEPTH = 8  # scripts within scripts that are looked into
STEPS = 20_000  # facts and words of one call of a tool
LENGTH = 200_000  # characters of one call of a tool, with what variables expand to
LOOKED = 20_000  # characters of a program's arguments that rules look at
_HOME = re.compile(r"(?:/home/[^/]+|/root|/Users/[^/]+|~[A-Za-z0-9_.-]*)(?=/|$)")


class Tangled(Exception):
    """What is judged is too long, too deep, or expands to too much."""


@attrs.frozen
class Call:
    """A program that is called.

    Attributes:
        program: Its name, without a folder where it is one of the system's; a name that begins with `:` is a deed that has no program.
        arguments: Joined with blanks.
        fed: Programs whose output it executes, or is given.
    """

    program: str
    arguments: str = ""
    fed: frozenset[str] = frozenset()


@attrs.frozen
class Use:
    """A path that is used.

    Attributes:
        path: `./x` within the workspace, `../x` beside it, `~/x` in a home, `/x` elsewhere, `?` where nobody knows.
    """

    path: str
    access: Access


@attrs.define
class Facts:
    """What was found out about one call of a tool.

    Args:
        inside: Absolute folders that are the workspace.

    Attributes:
        texts: Scripts without their quoted parts, and code of languages that are not parsed.
        unclear: What could not be read, for a person; empty where all was.
        is_plain: Nothing is redirected to a file, expanded or substituted.
    """

    inside: tuple[str, ...] = ()
    calls: dict[Call, None] = attrs.field(factory=dict)
    uses: dict[Use, None] = attrs.field(factory=dict)
    texts: list[str] = attrs.field(factory=list)
    unclear: str = ""
    is_plain: bool = True
    _steps: int = 0
    _length: int = 0

    def spend(self, steps: int = 1, length: int = 0) -> None:
        """Count work.

        Raises:
            Tangled: It is too much.
        """
        self._steps += steps
        self._length += length
        if self._steps > STEPS or self._length > LENGTH:
            raise Tangled("it is too long to be judged")

    def call(self, program: str, arguments: Iterable[str] = (), fed: frozenset[str] = frozenset()) -> None:
        """Tell that a program is called."""
        joined = " ".join(arguments)
        self.spend(1, len(joined))
        if len(joined) > LOOKED:
            self.unclear = "its arguments are too long to be judged"
        self.calls[Call(program, joined, fed)] = None

    def use(self, path: str, access: Access, folder: str = ".") -> None:
        """Tell that a path is used, by something that works in `folder`."""
        self.spend(1, len(path))
        self.uses[Use(self.place(path, folder), access)] = None

    def place(self, path: str, folder: str = ".") -> str:
        """Return a path as `Use.path` has it."""
        if path.startswith("file://"):
            path = path[7:]
        if not path or "\0" in path or path.startswith("$"):
            return "?"
        if not path.startswith(("/", "~")):
            if folder == "?":
                return "?"
            path = f"{folder}/{path}"
        full = posixpath.normpath(path)
        if path.startswith("~") and not full.startswith("~"):
            return "/" + full.lstrip("./")  # it climbs out of the home
        full = "/" + full.lstrip("/") if path.startswith("/") else full
        for root in self.inside:
            if full == root or full.startswith(root.rstrip("/") + "/"):
                return "./" + full[len(root) :].strip("/")
        home = _HOME.match(full)
        if home:
            return "~" + full[home.end() :]
        if full.startswith(("/", "..")):
            return full
        return "./" if full == "." else f"./{full}"
