"""What is different between two snapshots."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from massgen_workspace_files.store import Manifest, Store
from massgen_workspace_files.tree import Entry, order

__all__ = ["changes", "diff"]

# Comparing line by line costs more than their product of texts that have little in common.
_TEXT = 256 << 10
_MOST = 1 << 20


def changes(older: Manifest, newer: Manifest) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield what differs, sorted by path, as it was and as it became; None where it was not there."""
    left, right = iter(older), iter(newer)
    was, now = next(left, None), next(right, None)
    while was is not None or now is not None:
        if now is None or (was is not None and order(was.path) < order(now.path)):
            yield was, None
            was = next(left, None)
        elif was is None or order(now.path) < order(was.path):
            yield None, now
            now = next(right, None)
        else:
            if was != now:
                yield was, now
            was, now = next(left, None), next(right, None)


def diff(store: Store, older: Manifest, newer: Manifest) -> str:
    """Return a unified diff."""
    parts, size = list[str](), 0
    for was, now in changes(older, newer):
        text = "".join(_one(store, was, now))
        size += len(text)
        if size > _MOST:
            parts.append("... and more\n")
            break
        parts.append(text)
    return "".join(parts)


def _one(store: Store, was: Entry | None, now: Entry | None) -> Iterator[str]:
    path = _shown((was or now).path)  # type: ignore[union-attr]
    old, new = (f"a/{path}" if was else "/dev/null"), (f"b/{path}" if now else "/dev/null")
    if was and now and was.kind == now.kind == "f" and was.digest == now.digest:
        yield f"{path}: permissions {was.mode:o} became {now.mode:o}\n"
        return
    if any(each is not None and each.kind != "f" for each in (was, now)):
        yield f"{path}: {_said(was)} became {_said(now)}\n"
        return
    texts = [_lines(store, each) for each in (was, now)]
    if texts[0] is None or texts[1] is None:
        yield f"{old} and {new} differ ({was.size if was else 0} and {now.size if now else 0} bytes)\n"
        return
    for line in difflib.unified_diff(texts[0], texts[1], old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _said(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return {"d": "a folder", "f": "a file", "l": f"a link to {_shown(entry.target)}", "x": "something that is not kept"}[entry.kind]


def _shown(path: str) -> str:
    # Bytes that are no text, and line breaks, would make lines that look like others.
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace("\n", "\\n").replace("\r", "\\r")


def _lines(store: Store, entry: Entry | None) -> list[str] | None:
    if entry is None:
        return []
    if entry.size > _TEXT:
        return None
    data = store.text(entry.digest)
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
