"""A diagnostic bundle: what somebody else needs to understand what went wrong, and nothing that they must not see."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec

from massgen_core.api import MassGenError
from massgen_mcp_log.anomalies import anomalies_of
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.figures import figures_of
from massgen_mcp_log.files import SERVERS
from massgen_mcp_log.filters import Filter
from massgen_mcp_log.lines import PAYLOADS, encode
from massgen_mcp_log.perfetto import POINTS, trace_events
from massgen_mcp_log.reading import Log
from massgen_mcp_log.redact import Redaction

__all__ = ["Bundle", "environment_secrets"]

_TELLING = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?|AUTH)(?:_\d+)?$", re.IGNORECASE)


def environment_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the values of variables whose names say that they are secret."""
    return [value for name, value in environment.items() if _TELLING.search(name) and name not in ("PWD", "OLDPWD") and len(value) >= 6]


class Bundle:
    """Puts a bundle together; everything passes a redaction of its own once more.

    Args:
        log: Of the run.
        chosen: Which lines go in.
        with_payloads: Payloads, arguments and results too.
        values: Values that are known to be secret.
    """

    def __init__(self, log: Log, chosen: Filter, *, with_payloads: bool = False, values: list[str] | None = None) -> None:
        self._log, self._chosen, self._with_payloads = log, chosen, with_payloads
        self._redact = Redaction(values=values or ())
        self._home = str(Path.home())
        self._left_out = 0

    def files(self) -> dict[str, bytes]:
        """Return the bundle's files by name, its manifest among them."""
        found = {
            "log.jsonl": b"".join(encode(line) + b"\n" for line in self._lines()),
            "stats.json": encode([{"server": each.names[0], "tool": each.names[1], **each.row()} for each in self._figures()]),
            "anomalies.json": encode([attrs.asdict(each) for each in anomalies_of(self._lines())]),
            "timeline.perfetto.json": encode({"displayTimeUnit": "ms", "traceEvents": list(self._trace())}),
        }
        servers = self._log.folder / SERVERS
        for path in sorted(servers.glob("*.stderr.log*")) if servers.is_dir() else ():
            found[f"stderr/{path.name.removesuffix('.zst')}"] = self._text(_content(path)).encode("utf-8", "replace")
        config = self._log.run / "config.yaml"
        if config.is_file():
            found["config.yaml"] = self._text(config.read_text(encoding="utf-8", errors="replace")).encode("utf-8", "replace")
        return {"manifest.json": encode_pretty(self._manifest(found)), **found}

    def _lines(self) -> Iterator[dict[str, Any]]:
        self._left_out = 0
        for line in self._log:
            if not self._chosen(line):
                self._left_out += 1
                continue
            kept = {name: value for name, value in line.items() if self._with_payloads or name not in PAYLOADS}
            yield {name: self._text(value) if isinstance(value, str) else self._redact.value(value, name) for name, value in kept.items()}

    def _text(self, text: str) -> str:
        # A person's name is often that of their folder.
        return self._redact(text.replace(self._home, "~") if len(self._home) > 1 else text)

    def _figures(self) -> Any:
        return figures_of(calls_of(self._lines())[0])

    def _trace(self) -> Iterator[dict[str, Any]]:
        calls, last = calls_of(self._lines())
        return trace_events(calls, (line for line in self._lines() if line["event"] in POINTS), last)

    def _manifest(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        return {
            "format": "massgen-mcp-bundle",
            "v": 1,
            "run": self._log.run.name,
            "read_from": self._log.origin,
            "filter": str(self._chosen),
            "lines": files["log.jsonl"].count(b"\n"),
            "lines_left_out": self._left_out,
            "lines_damaged": self._log.damaged,
            "payloads": "included" if self._with_payloads else "left out",
            "redacted": dict(sorted(self._redact.counts.items())),
            "files": [{"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()],
        }


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of files; equal files give an equal zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def write(path: Path, data: bytes, *, is_forced: bool) -> None:
    """Write a new file for its owner alone.

    Raises:
        MassGenError: It exists, cannot be written, or is no ordinary file: devices, folders and links are never replaced.
    """
    try:
        if is_forced and (path.is_symlink() or path.exists()):
            if path.is_symlink() or not path.is_file():
                raise MassGenError(f"{path} is no ordinary file and is not replaced; name another file")
            path.unlink()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise MassGenError(f"{path} exists; name another file, or replace it with --force") from None
    except OSError as error:
        raise MassGenError(f"{path} cannot be written: {error.strerror}") from error
    with open(descriptor, "wb") as file:
        file.write(data)


def encode_pretty(value: Any) -> bytes:
    """Return indented JSON."""
    return msgspec.json.format(encode(value), indent=2) + b"\n"


def _content(path: Path) -> str:
    if path.suffix == ".zst":
        from massgen_mcp_log.archive import Sealed  # noqa: PLC0415 - a library of its own, for archives only

        return b"\n".join(Sealed(path)).decode("utf-8", "replace")
    return path.read_text(encoding="utf-8", errors="replace")
