"""Lots, labels and counting: functions of the seed and the names, never of the order of registration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

__all__ = ["certain_winner", "labels_of", "leader", "lots", "tally"]


def lots(seed: int, agents: Iterable[str]) -> dict[str, int]:
    """Return each agent's lot; the lowest wins a tie."""
    return {name: lot for lot, name in enumerate(sorted(agents, key=lambda name: sha256(f"lot\n{seed}\n{name}".encode()).digest()))}


def labels_of(seed: int, viewer: str, agents: Iterable[str]) -> Mapping[str, str]:
    """Return the names under which `viewer` knows the agents, itself included: real name by label, in the order in which it sees them."""
    return _labels(seed, viewer, tuple(agents))


@lru_cache(maxsize=1024)  # a vote asks for the same labels several times
def _labels(seed: int, viewer: str, agents: tuple[str, ...]) -> Mapping[str, str]:
    order = sorted(agents, key=lambda name: sha256(f"label\n{seed}\n{viewer}\n{name}".encode()).digest())
    return MappingProxyType({f"agent{place}": name for place, name in enumerate(order, start=1)})


def tally(candidates: Sequence[str], choices: Iterable[str]) -> dict[str, int]:
    """Count the votes of each candidate, zero included."""
    counts = dict.fromkeys(candidates, 0)
    for choice in choices:
        counts[choice] += 1
    return counts


def leader(counts: Mapping[str, int], ranks: Mapping[str, int]) -> str:
    """Return who has most votes; the lowest rank wins a tie."""
    return min(counts, key=lambda name: (-counts[name], ranks[name]))


def certain_winner(counts: Mapping[str, int], ranks: Mapping[str, int], missing: Collection[str], *, self_vote: bool) -> str:
    """Return who wins however the missing voters vote; empty while that is open.

    It is enough to look at each rival alone with every missing vote that it could get: votes spread over several rivals threaten less.
    """
    first = leader(counts, ranks)
    for rival, votes in counts.items():
        if rival == first:
            continue
        most = votes + len(missing) - (not self_vote and rival in missing)
        if most > counts[first] or (most == counts[first] and ranks[rival] < ranks[first]):
            return ""
    return first
