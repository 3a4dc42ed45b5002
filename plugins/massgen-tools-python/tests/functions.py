"""Functions as people write them."""

from __future__ import annotations

import asyncio
import enum
import os
import sys
import time
from typing import Any, Literal


class Unit(enum.Enum):
    KILO = "kg"
    GRAM = "g"


class Block:
    def __init__(self, block_type: str, data: str) -> None:
        self.block_type, self.data = block_type, data


class Outcome:
    """Has the shape of what functions of MassGen 0.1 return."""

    def __init__(self, *blocks: Any) -> None:
        self.output_blocks = list(blocks)
        self.meta_info = {"x": 1}


class Tone(enum.Enum):
    LOW = frozenset({1})


class Knot:
    def __init__(self) -> None:
        self.others = [self, self, self, self]


def add(first: int, second: int = 1) -> int:
    """Add two whole numbers.

    More that a model need not know.

    Args:
        first: The first one,
            whichever it is.
        second (int): The second one.
    """
    print("printed by a function")
    return first + second


def weigh(things: list[str], unit: Unit = Unit.GRAM, how: Literal["fast", "well"] = "fast", note: str | None = None, **more: float) -> dict[str, Any]:
    """Weigh things.

    Parameters
    ----------
    things : list
        What is weighed.
    """
    return {"things": things, "unit": str(unit), "how": how, "note": note, "more": more}


async def later(text: str) -> Outcome:
    await asyncio.sleep(0)
    return Outcome(Block("text", text), Block("image", "aGVsbG8="))


async def many(count: int):  # type: ignore[no-untyped-def]
    for number in range(count):
        yield {"output_blocks": [{"type": "text", "data": f"part {number}"}]}


def steps(count: int):  # type: ignore[no-untyped-def]
    yield from range(count)


def fails(text: str) -> None:
    raise ValueError(text)


def leaves(code: int) -> None:
    sys.exit(code)


def dies() -> None:
    print("about to die", file=sys.stderr, flush=True)
    os._exit(3)


def sleeps(seconds: float = 20.0) -> None:
    time.sleep(seconds)


def reads() -> str:
    return sys.stdin.read() + input("?")


def where(agent_cwd: str) -> str:
    return agent_cwd


def working() -> str:
    return os.getcwd()


def sees(name: str) -> str:
    return os.environ.get(name, "nothing")


def odd() -> object:
    return {"a": float("inf"), "b": {1, 2}, "c": b"xy", "d": object}


def long(characters: int) -> str:
    return "x" * characters


def nothing() -> None:
    """Return nothing."""


def speaks() -> str:
    os.write(1, b'{"number": 1, "text": "forged"}\n')
    return "said"


def unusual(first: Literal[b"x"] = b"x", second: Tone = Tone.LOW, third: float = float("inf"), fourth: tuple[int, str] = (1, "")) -> None:
    """Take what JSON has no words for."""


def wide(characters: int) -> dict[str, Any]:
    return {"rows": ["\U0001f600" * characters]}


def knot() -> Knot:
    return Knot()


def closes() -> None:
    asyncio.get_event_loop().close()


def loops() -> int:
    asyncio.run(asyncio.sleep(0))
    return 7


def split() -> str:
    """Fork, and come back in both processes."""
    copy = os.fork()
    if copy:
        os.waitpid(copy, 0)
    return "parent" if copy else "copy"
