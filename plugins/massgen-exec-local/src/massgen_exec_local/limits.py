"""What a command may use: who asks for it, who enforces it, and what nobody can."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from massgen_core.api import Limits, LimitUnsupported

__all__ = ["DEFAULTS", "Plan", "plan", "refuse"]

MEGABYTE = 1 << 20
MOST = 1 << 60  # the kernel's own numbers end some way beyond it
DEFAULTS = Limits(
    seconds=300.0,
    memory=4096 * MEGABYTE,
    processes=512,
    descriptors=4096,
    file_size=4096 * MEGABYTE,
    disk=1024 * MEGABYTE,
    output=MEGABYTE,
)
OURS = frozenset({"output", "seconds"})  # enforced here
OF_A_PROCESS = {"descriptors": "RLIMIT_NOFILE", "file_size": "RLIMIT_FSIZE"}
OF_A_TREE = frozenset({"cpus", "memory", "processes"})


@attrs.frozen(kw_only=True)
class Plan:
    """How the limits of one command are enforced.

    Attributes:
        limits: All of them.
        of_a_process: By the name of the kernel's limit of a process.
        of_a_tree: For control groups.
    """

    limits: Limits
    of_a_process: Mapping[str, int]
    of_a_tree: Mapping[str, float]


def _asked(limits: Limits) -> dict[str, float]:
    return attrs.asdict(limits, filter=lambda _, value: value is not None)


def refuse(limits: Limits, enforced: frozenset[str], wall: str) -> None:
    """Let limits pass that somebody asks for.

    Raises:
        LimitUnsupported: One of them cannot be enforced, or makes no sense.
    """
    for name, value in _asked(limits).items():
        if not 0 <= value < MOST or (value == 0 and name != "output"):
            raise LimitUnsupported(f"executor local: a limit of {value} {name} makes no sense; leave it out for the default")
        if name not in enforced:
            raise LimitUnsupported(
                f"executor local: the limit {name} cannot be enforced here (sandbox: {wall}); it can be: {', '.join(sorted(enforced))}. "
                f"{_remedy(name)}"
            )


def _remedy(name: str) -> str:
    if name in OF_A_TREE:
        return "It needs control groups that this user may write to: leave the limit out, run in a delegated scope, or use the executor docker."
    return "Leave the limit out, or install bubblewrap."


def plan(asked: Limits, configured: Limits, *, in_groups: frozenset[str], own_users: bool) -> Plan:
    """Join what the command asks for, what the configuration says, and the defaults.

    Args:
        asked: By the command.
        configured: By the configuration.
        in_groups: Limits for which there are control groups.
        own_users: The kernel counts the processes of the sandbox's user apart from others'.
    """
    wanted = _asked(configured) | _asked(asked)
    limits = attrs.evolve(DEFAULTS, **wanted)  # type: ignore[arg-type]
    of_a_process = {kernel: int(getattr(limits, name)) for name, kernel in OF_A_PROCESS.items()}
    of_a_process["RLIMIT_CORE"] = 0
    of_a_tree = {name: value for name, value in _asked(limits).items() if name in OF_A_TREE & in_groups}
    if "processes" not in of_a_tree and own_users:
        of_a_process["RLIMIT_NPROC"] = int(limits.processes or 0) + 1  # the supervisor is one
    if "memory" not in of_a_tree:  # a default only: of each process rather than of all
        of_a_process["RLIMIT_DATA"] = int(limits.memory or 0)
    return Plan(limits=limits, of_a_process=_within(of_a_process), of_a_tree=of_a_tree)


def _within(wanted: Mapping[str, int]) -> dict[str, int]:
    """Lower what this process may not give, being under a limit itself."""
    import resource  # noqa: PLC0415 - for those who run commands

    hard = {name: resource.getrlimit(getattr(resource, name))[1] for name in wanted}
    return {name: value if hard[name] == resource.RLIM_INFINITY else min(value, hard[name]) for name, value in wanted.items()}
