"""What a model is told about an execution."""

from __future__ import annotations

import signal

from massgen_core.api import ExecResult
from massgen_tools_code.events import FileChange
from massgen_tools_code.output import bytes_text, readable
from massgen_tools_code.sandbox import Done

__all__ = ["ending", "files_text", "report"]

SHOWN_FILES = 30


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def ending(result: ExecResult, limit: float) -> str:
    """Return how a command ended, as a sentence.

    Args:
        result: Its end.
        limit: Seconds that it had.
    """
    if result.status == "exited":
        return f"Exit code {result.exit_code} after {result.seconds:.2f} s."
    if result.status == "timed_out":
        return f"Timed out: stopped after {limit:g} s, with all that it had started. Ask for more `seconds`, or start it with start_job."
    if result.status == "out_of_memory":
        return f"Out of memory: killed after {result.seconds:.2f} s because it used more memory than it may. Work on smaller pieces."
    if result.status == "signalled":
        return f"Killed by {_signal(result.exit_code - 128)} after {result.seconds:.2f} s (exit code {result.exit_code})."
    return f"It did not start: {readable(result.stderr).strip() or 'no such program or folder'}"


def files_text(files: tuple[FileChange, ...]) -> str:
    """Return which files changed, as a line."""
    named = [f"{file.path} ({file.change}{'' if file.change == 'removed' else f', {bytes_text(file.size)}'})" for file in files[:SHOWN_FILES]]
    more = f" and {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
    return f"Files: {', '.join(named)}{more}" if named else ""


def report(done: Done, limit: float) -> str:
    """Return the whole account: how it ended, both outputs, what changed."""
    out, err = done.out.text().rstrip("\n"), done.err.text().rstrip("\n")
    parts = [ending(done.result, limit)]
    parts += [f"stdout:\n{out}"] if out else []
    parts += [f"stderr:\n{err}"] if err else []
    parts += ["It wrote nothing."] if not (out or err) and done.result.status == "exited" else []
    parts += [text] if (text := files_text(done.files or ())) else []
    return "\n".join(parts)
