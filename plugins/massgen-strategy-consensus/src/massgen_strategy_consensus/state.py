"""What the strategy remembers: frozen values that share all that did not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from massgen_core.api import LimitReached, Purpose, Task, TurnResponded, VoteCast, WinnerChosen

__all__ = ["Member", "Need", "State", "evolve"]

if TYPE_CHECKING:
    from attrs import evolve
else:

    def evolve(old: Any, /, **changes: Any) -> Any:
        """Do what `attrs.evolve` does, at a tenth of its cost: classes that have a `__dict__` and no validators need no more than its copy."""
        new = object.__new__(type(old))
        object.__setattr__(new, "__dict__", {**old.__dict__, **changes})
        return new


# What an agent needs from the strategy next: to be asked; its response to be judged; its text to be taken as its answer; a reply to a broken rule;
# to hear of a new answer; its turn to be ended or stopped; to be declared out.
Need: TypeAlias = Literal["ask", "judge", "take", "reply", "update", "release", "stop", "leave"]


@attrs.frozen(kw_only=True, slots=False)
class Member:
    """An agent and its latest turn.

    Attributes:
        answers: How many of its answers counted.
        content: The newest of them.
        revised: The state's revision when that one came.
        turn: The latest turn's number; 0 before the first.
        is_open: That turn goes on.
        heard: Its response that waits for a reply or for its end.
        objection: What the reply will say.
        offences: Responses of this turn that broke a rule.
        text: The last text of this turn that is not blank.
        sent: The revision that was put into the conversation.
        seen: The revision that the model has certainly been shown.
        left: Why it takes no further part; empty while it does.
        is_out: That was declared.
    """

    name: str
    answers: int = 0
    content: str = ""
    revised: int = 0
    turn: int = 0
    purpose: Purpose = "answer"
    is_open: bool = False
    heard: TurnResponded | None = None
    objection: str = ""
    offences: int = 0
    text: str = ""
    sent: int = 0
    seen: int = 0
    left: str = ""
    is_out: bool = False


@attrs.frozen(kw_only=True, slots=False)
class State:
    """A run.

    Attributes:
        members: The agents, by name.
        ranks: Who wins a tie: the lowest.
        needs: What agents need next, by name, the longest waiting first.
        phase: `answering`, `voting`, `presenting`, or empty between phases.
        past: Phases that are over.
        owing: Agents whose answer, or in the vote whose vote, is still to come.
        votes: The votes that count, by voter.
        cleared: Votes that a new answer made void and that are not yet declared so.
        revision: How many answers came since the vote began.
        certain: Who wins, as soon as nothing can change it.
        is_closing: The run goes to its end: somebody wins for certain, nobody has an answer, or a limit was hit.
        winner: That, declared.
        limit: The run's limit that was hit.
        told: The points of `decision.made` so far.
        final: The final text.
    """

    task: Task
    members: Mapping[str, Member]
    ranks: Mapping[str, int]
    needs: Mapping[str, Need] = attrs.field(factory=dict)
    phase: str = ""
    past: tuple[str, ...] = ()
    owing: frozenset[str] = frozenset()
    votes: Mapping[str, VoteCast] = attrs.field(factory=dict)
    cleared: int = 0
    revision: int = 0
    certain: str = ""
    is_closing: bool = False
    winner: WinnerChosen | None = None
    limit: LimitReached | None = None
    told: frozenset[str] = frozenset()
    final: str | None = None
    has_ended: bool = False

    @property
    def candidates(self) -> tuple[str, ...]:
        """Agents that have an answer; one that is out stays a candidate."""
        return tuple([name for name, member in self.members.items() if member.answers])

    @property
    def present(self) -> frozenset[str]:
        """Agents that take part."""
        return frozenset([name for name, member in self.members.items() if not member.left])

    def put(self, member: Member, need: Need | None, **changes: Any) -> State:
        """Return the state with a changed member that needs `need` next, and with other changes."""
        return evolve(self, members={**self.members, member.name: member}, needs=self.needing(member.name, need), **changes)

    def needing(self, name: str, need: Need | None) -> Mapping[str, Need]:
        """Return the needs of all agents where this one has a new one."""
        if self.needs.get(name) == need:
            return self.needs
        changed = dict(self.needs)
        if need is None:
            del changed[name]
        else:
            changed[name] = need
        return changed
