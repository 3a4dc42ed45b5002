"""Runs drawn by Hypothesis: agents that do anything, or only certain things, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from hypothesis import strategies as st

from massgen_core.api import Strategy
from massgen_testkit.moves import Break, Call, Choose, Give, Hang, Move, Say, Script, Work
from massgen_testkit.panel import Panel

__all__ = ["MARKS", "NAMES", "Game", "games", "tame"]

# Names that no prompt holds by chance.
NAMES = ("kestrel", "ibex", "lynx", "otter", "wombat")
MARKS = ("ma", "mb", "mc", "md", "me")
_GARBAGE = ("", "{", "[]", "null", '{"content": 7}', '{"content": " "}', '{"agent": "agent99", "reason": "x"}', '{"agent": null}', "[" * 5000)


@attrs.frozen(kw_only=True)
class Game:
    """Agents that behave somehow, and the order in which things happen."""

    scripts: Mapping[str, Script]
    seed: int = 0
    order: tuple[int, ...] = (0,)

    def panel(self, strategy: Strategy, **more: Any) -> Panel:
        """Return a panel that has not been played."""
        return Panel(strategy, self.scripts, **{"seed": self.seed, "order": self.order, **more})

    def marks(self) -> dict[str, str]:
        """Return the agents' marks by name."""
        return {name: script.mark for name, script in self.scripts.items()}


def _wild(*, works: bool) -> st.SearchStrategy[Move]:
    name = st.sampled_from(["new_answer", "vote", "choose", "no_such_tool"])
    call = st.tuples(name, st.sampled_from(_GARBAGE))
    return st.one_of(
        st.builds(Give, st.sampled_from(["", "", "", "the same", "The same"])),
        st.builds(Choose, st.sampled_from(MARKS)),
        st.builds(Say, st.sampled_from(["", " ", "I think so.", "[ma.] said plainly"])),
        st.builds(Call, st.lists(call, min_size=1, max_size=3).map(tuple), st.sampled_from(["", "beside"])),
        st.just(Call((("vote", '{"agent": "agent1", "reason": "both"}'), ("new_answer", '{"content": "both"}')))),
        st.just(Work() if works else Hang()),
        st.builds(Break, partial=st.sampled_from(["", "half an answer"])),
        st.just(Hang()),
    )


def tame() -> st.SearchStrategy[Move]:
    """Moves in a vote that give no new answer."""
    return st.one_of(st.builds(Choose, st.sampled_from(MARKS)), st.just(Work()), st.just(Say("hm")), st.just(Break()), st.just(Hang()))


@st.composite
def games(
    draw: st.DrawFn,
    *,
    least: int = 1,
    most: int = 5,
    moves: Mapping[str, st.SearchStrategy[Move]] | None = None,
    repeats: bool = True,
    works: bool = True,
) -> Game:
    """Draw a game.

    Args:
        least: At least so many agents.
        most: At most so many, up to five.
        moves: What agents may do, by purpose; they behave well in turns of other purposes. None: anything, anywhere.
        repeats: Agents may do so forever.
        works: They may call tools of their own.
    """
    if moves is None:
        moves = dict.fromkeys(("answer", "vote", "judge", "present"), _wild(works=works))
    count = draw(st.integers(least, most))
    scripts = {
        name: Script(
            mark=MARKS[place],
            favourite=draw(st.sampled_from(MARKS[:count])),
            moves={purpose: tuple(draw(st.lists(move, max_size=4))) for purpose, move in moves.items()},
            repeats=repeats and draw(st.booleans()),
        )
        for place, name in enumerate(NAMES[:count])
    }
    order = draw(st.lists(st.integers(0, 4), min_size=1, max_size=12))
    return Game(scripts=scripts, seed=draw(st.integers(0, 10_000)), order=tuple(order))
