"""The exception tree.

* MassGenError
  + UsageProblem                 a command line that makes no sense
  + ConfigProblem                one mistake in a configuration, with its place
    - ConfigUntrusted            a project's file wants what only a trusted one may have
  + ConfigProblems               all mistakes of one configuration
  + PluginProblem                carries the distribution, kind and name as data
    - PluginMissing              nobody provides the name
    - PluginConflict             several distributions claim the name
    - PluginBlocked              an allow or block list forbids it
    - PluginBroken               its import, hook, spec, factory or configuration class failed
    - PluginRefused              it was made for another plugin API
  + BackendFault                 a model call failed; `is_retryable` says whether the same call may succeed later
    - RateLimited                carries `retry_after` in seconds
    - Overloaded
    - ConnectionLost
    - TimedOut
    - AuthenticationFailed
    - BadRequest
    - ContextTooLong
    - ModelMissing
    - BudgetExceeded
  + ToolFault                    a toolset broke; a tool that says "I failed" is a `ToolResult` instead
  + ExecutorFault
    - ExecutorUnavailable
    - ImageMissing
    - LimitUnsupported
    - CommandRefused
    - SandboxLost
  + SecretMissing                a reference to a secret that no store holds
  + StoreProblem                 a store of secrets cannot be used, or does not take what it is given
  + JournalDamaged               a line before the journal's end cannot be read
  + RunStopped                   a person stopped a run at once; it can be resumed
  + RunFailed                    no agent gave an answer; carries the run's folder and each agent's reason

Every message says what is wrong, where, what exists instead and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AuthenticationFailed",
    "BackendFault",
    "BadRequest",
    "BudgetExceeded",
    "CommandRefused",
    "ConfigProblem",
    "ConfigProblems",
    "ConfigUntrusted",
    "ConnectionLost",
    "ContextTooLong",
    "ExecutorFault",
    "ExecutorUnavailable",
    "ImageMissing",
    "JournalDamaged",
    "LimitUnsupported",
    "MassGenError",
    "ModelMissing",
    "Overloaded",
    "PluginBlocked",
    "PluginBroken",
    "PluginConflict",
    "PluginMissing",
    "PluginProblem",
    "PluginRefused",
    "RateLimited",
    "RunFailed",
    "RunStopped",
    "SandboxLost",
    "SecretMissing",
    "StoreProblem",
    "TimedOut",
    "ToolFault",
    "UsageProblem",
]


class MassGenError(Exception):
    """Anything that goes wrong in a way that MassGen foresaw; its text is meant for a person."""


class UsageProblem(MassGenError):
    """A command line that makes no sense."""


class ConfigProblem(MassGenError):
    """One mistake in a configuration.

    Args:
        message: What is wrong and what to do.
        path: The key path, for instance `agents[0].backend.model`.
        source: The file, or `--set`, or `--agent`.
        line: From 1; 0 where there is none.
        column: From 1; 0 where there is none.
        allowed: What could stand there, where that is a list of names or values.
        nearest: The one of `allowed` that was probably meant; empty where none is near.
        fix: What to write in place of the value, where that is certain; empty where it is not.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        source: str = "",
        line: int = 0,
        column: int = 0,
        allowed: Sequence[str] = (),
        nearest: str = "",
        fix: str = "",
    ) -> None:
        self.message, self.path, self.source, self.line, self.column = message, path, source, line, column
        self.allowed, self.nearest, self.fix = tuple(allowed), nearest, fix
        place = f"{source}:{line}:{column}" if line else source
        super().__init__(": ".join(part for part in (place, path, message) if part))


class ConfigUntrusted(ConfigProblem):
    """A project's file that nobody trusts wants to start programs, open folders, use secrets or the like.

    Args:
        message: What it wants, and how to trust it.
        source: What the file is called.
        file: Its absolute path.
        digest: What stands for its content, and that of the files which it includes.
    """

    def __init__(self, message: str, *, source: str, file: Path, digest: str) -> None:
        self.file, self.digest = file, digest
        super().__init__(message, source=source)


class ConfigProblems(MassGenError):
    """All mistakes of one configuration, in the order of their places."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginProblem(MassGenError):
    """Something is wrong with a plugin.

    Args:
        message: Who, what, and what to do.
        kind: The kind that was asked for, where one was.
        name: The name that was asked for, where one was.
        distributions: The distributions concerned, as `name version`.
    """

    def __init__(self, message: str, *, kind: str = "", name: str = "", distributions: Sequence[str] = ()) -> None:
        self.kind, self.name, self.distributions = kind, name, tuple(distributions)
        super().__init__(message)


class PluginMissing(PluginProblem):
    """No installed plugin provides the name."""


class PluginConflict(PluginProblem):
    """Several distributions claim the name."""


class PluginBlocked(PluginProblem):
    """An allow or block list forbids the plugin."""


class PluginBroken(PluginProblem):
    """The plugin's import, hook, spec, factory or configuration class failed."""


class PluginRefused(PluginProblem):
    """The plugin was made for another plugin API."""


class BackendFault(MassGenError):
    """A model call failed. Backends raise a subclass wherever one fits.

    Args:
        message: What happened and what to do; never a key.
        status: The provider's HTTP status, 0 where there is none.
    """

    is_retryable = False

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class RateLimited(BackendFault):
    """The provider wants fewer calls.

    Args:
        message: What happened.
        retry_after: Seconds to wait as the provider says; None where it does not say.
        status: The HTTP status.
    """

    is_retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None, status: int = 429) -> None:
        self.retry_after = retry_after
        super().__init__(message, status=status)


class Overloaded(BackendFault):
    """The provider cannot answer at the moment (5xx, overloaded)."""

    is_retryable = True


class ConnectionLost(BackendFault):
    """The connection could not be made or broke."""

    is_retryable = True


class TimedOut(BackendFault):
    """Nothing came within the allowed time."""

    is_retryable = True


class AuthenticationFailed(BackendFault):
    """The key is missing, wrong or not allowed to do this."""


class BadRequest(BackendFault):
    """The provider does not take this request."""


class ContextTooLong(BackendFault):
    """The conversation does not fit into the model's context."""


class ModelMissing(BackendFault):
    """The model does not exist, is not installed, or its file is damaged."""


class BudgetExceeded(BackendFault):
    """A budget of tokens or money is used up, so that the call was not made."""


class ToolFault(MassGenError):
    """A toolset broke; the model is told so and the run goes on."""


class ExecutorFault(MassGenError):
    """A sandbox could not do its work."""


class ExecutorUnavailable(ExecutorFault):
    """The engine is not there or does not answer."""


class ImageMissing(ExecutorFault):
    """The image does not exist here and may not or cannot be fetched."""


class LimitUnsupported(ExecutorFault):
    """The engine cannot enforce a limit or an isolation that was asked for."""


class CommandRefused(ExecutorFault):
    """The configuration's patterns do not let the command through; the message names the pattern."""


class SandboxLost(ExecutorFault):
    """The sandbox went away while it was in use."""


class SecretMissing(MassGenError):
    """A reference to a secret that no store holds."""


class StoreProblem(MassGenError):
    """A store of secrets cannot be used here, or does not take what it is given; the message says what to do."""


class JournalDamaged(MassGenError):
    """A line before the journal's end cannot be read."""


class RunFailed(MassGenError):
    """No agent gave an answer.

    Args:
        message: What happened and what to do.
        reasons: Why each agent is out.
        partial: The best partial answer, empty where there is none.
        folder: The run's folder.
    """

    def __init__(self, message: str, *, reasons: Mapping[str, str] = {}, partial: str = "", folder: str = "") -> None:
        self.reasons, self.partial, self.folder = dict(reasons), partial, folder
        super().__init__(message)


class RunStopped(MassGenError):
    """A person stopped a run at once; it can be resumed."""
