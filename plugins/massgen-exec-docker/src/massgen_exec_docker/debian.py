"""Images from Debian's packages, without a registry and without Docker's builder: packages are unpacked into an archive, the engine imports that."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import attrs

from massgen_core.api import ExecutorUnavailable, MassGenError

__all__ = ["BASE", "RECIPE", "STACKS", "archive", "packages_of"]

BASE = "massgen-base"
RECIPE = "2"  # images of another one are made anew
_SHELL = ("bash", "ca-certificates", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "mawk", "procps", "sed", "tar")
STACKS: Mapping[str, tuple[str, ...]] = {
    "base": (*_SHELL, "python3"),
    "git": (*_SHELL, "python3", "git", "make", "patch"),
    "python-data": (*_SHELL, "python3", "python3-numpy", "python3-pandas", "python3-matplotlib"),
    "node": (*_SHELL, "python3", "nodejs"),
    "c": (*_SHELL, "python3", "gcc", "g++", "make", "libc6-dev"),
    "server": (*_SHELL, "python3", "libatomic1", "libstdc++6"),
    "go": (*_SHELL, "python3", "golang-go", "gcc", "libc6-dev"),
}
_MATHS = "usr/lib/{triplet}/openblas-pthread"
# What packages would link when they are installed; the first that is there is taken.
_LINKS: Mapping[str, tuple[str, ...]] = {
    "usr/bin/awk": ("usr/bin/mawk",),
    "usr/bin/c++": ("usr/bin/g++",),
    "usr/bin/cc": ("usr/bin/gcc",),
    "usr/bin/python": ("usr/bin/python3",),
    "usr/bin/sh": ("usr/bin/dash",),
    "usr/lib/{triplet}/libblas.so.3": (f"{_MATHS}/libblas.so.3", "usr/lib/{triplet}/blas/libblas.so.3"),
    "usr/lib/{triplet}/liblapack.so.3": (f"{_MATHS}/liblapack.so.3", "usr/lib/{triplet}/lapack/liblapack.so.3"),
    "usr/lib/{triplet}/libopenblas.so.0": (f"{_MATHS}/libopenblas.so.0",),
}
_LEFT_OUT = ("usr/share/doc/", "usr/share/info/", "usr/share/lintian/", "usr/share/locale/", "usr/share/man/")
_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
# What is shared under its own path may be in root's home here, and the image's is empty.
_FOLDERS = {"etc": 0o755, "home": 0o755, "proc": 0o555, "root": 0o755, "run": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "workspace": 0o755}
_FILES = {
    "etc/group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "etc/hostname": "sandbox\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:/tmp/home:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9]+)?")
_SECONDS = 900


def packages_of(stack: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the packages of a stack and others, sorted.

    Raises:
        MassGenError: There is no such stack, or something is no package's name.
    """
    if stack not in STACKS:
        raise MassGenError(f"there is no stack {stack!r}; there are: {', '.join(STACKS)}")
    for name in more:
        if not _NAME.fullmatch(name):
            raise MassGenError(f"{name!r} is no name of a Debian package")
    return tuple(sorted({*STACKS[stack], *more}))


def _run(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - apt, with names that were checked
            argv, capture_output=True, text=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
        )
    except subprocess.TimeoutExpired:
        raise MassGenError(f"{argv[0]} did not end within {_SECONDS} s") from None
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-3:]
        raise MassGenError(f"{argv[0]}: {' '.join(told)}; run apt-get update if it has not been run on this machine")
    return done.stdout


def _fetched(packages: Sequence[str], cache: Path, work: Path) -> list[Path]:
    """Let apt find and fetch packages with all that they need, as if nothing were installed; return the files."""
    (cache / "partial").mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    options = {
        "APT::Get::Assume-Yes": "true",
        "APT::Install-Recommends": "false",
        "APT::Keep-Downloaded-Packages": "true",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Dir::Cache::archives": f"{cache}/",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::State::extended_states": f"{work}/extended",
        "Dir::State::status": f"{work}/status",
    }
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*command, "--download-only", "install", *packages])
    names = re.findall(r"^Inst (\S+) \((\S+) .*\[(\S+)\]", _run([*command, "--simulate", "install", *packages]), re.MULTILINE)
    found = [cache / f"{name.partition(':')[0]}_{version.replace(':', '%3a')}_{machine.rstrip('])')}.deb" for name, version, machine in names]
    lost = [file.name for file in found if not file.is_file()]
    if lost or not found:
        raise MassGenError(f"apt did not fetch {', '.join(lost[:5]) or 'anything'}")
    return found


@attrs.define
class _Archive:
    """A tar archive of a root file system, in which every path stands once."""

    tar: tarfile.TarFile
    seen: dict[str, bool] = attrs.field(factory=dict)  # whether it is a folder
    certificates: list[bytes] = attrs.field(factory=list)

    def place(self, path: str) -> str:
        """Return where a package's path is to be found: what was `/bin` once is in `/usr` today."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        return "/".join(["usr", *parts] if parts and parts[0] in _MERGED else parts)

    def folder(self, path: str, mode: int = 0o755) -> None:
        if path and path not in self.seen:
            self.folder(path.rpartition("/")[0])
            self._add(path, tarfile.DIRTYPE, mode=mode)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        if path not in self.seen:
            self.folder(path.rpartition("/")[0])
            self._add(path, tarfile.REGTYPE, mode=mode, data=data)

    def link(self, path: str, target: str) -> None:
        if path not in self.seen:
            self.folder(path.rpartition("/")[0])
            self._add(path, tarfile.SYMTYPE, mode=0o777, target=target)

    def _add(self, path: str, kind: bytes, *, mode: int, data: bytes = b"", target: str = "") -> None:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.size, member.linkname = kind, mode, len(data), target
        self.tar.addfile(member, io.BytesIO(data))
        self.seen[path] = kind == tarfile.DIRTYPE

    def package(self, stream: IO[bytes]) -> None:
        """Add what a package holds."""
        with tarfile.open(fileobj=stream, mode="r|") as source:
            for member in source:
                path = self.place(member.name)
                if not path or path in self.seen or f"{path}/".startswith(_LEFT_OUT):
                    continue
                self.folder(path.rpartition("/")[0])
                held: IO[bytes] | None = source.extractfile(member) if member.isreg() else None
                if held is not None and path.startswith("usr/share/ca-certificates/"):
                    data = held.read()
                    self.certificates.append(data)
                    held = io.BytesIO(data)
                member.name, member.mtime, member.mode = path, 0, member.mode & 0o1777  # no program gains privileges by being run
                if member.islnk():
                    member.linkname = self.place(member.linkname)
                self.tar.addfile(member, held)
                self.seen[path] = member.isdir()


def _unpacked(file: Path, into: _Archive) -> None:
    with subprocess.Popen(  # noqa: S603 - a file that apt fetched
        ["dpkg-deb", "--fsys-tarfile", str(file)],  # noqa: S607
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as reader:
        assert reader.stdout is not None
        try:
            into.package(reader.stdout)
        except tarfile.TarError as error:
            raise MassGenError(f"{file.name} is damaged ({error}); remove it and try again") from error
        reader.stdout.read()
    if reader.returncode:
        raise MassGenError(f"{file.name} cannot be unpacked; remove it and try again")


def _begin(made: _Archive) -> None:
    for path, mode in _FOLDERS.items():
        made.folder(path, mode)
    for name in _MERGED:
        made.folder(f"usr/{name}")
        made.link(name, f"usr/{name}")
    for path, text in _FILES.items():
        made.file(path, text.encode())


def _finish(made: _Archive) -> None:
    triplets = {path.split("/")[2] for path in made.seen if re.match(r"usr/lib/[a-z0-9_]+-linux-gnu[a-z0-9]*/", path)}
    for triplet in triplets or {""}:
        for path, targets in _LINKS.items():
            target = next((each for each in targets if each.format(triplet=triplet) in made.seen), None)
            if target is not None:
                made.link(path.format(triplet=triplet), f"/{target.format(triplet=triplet)}")
    if made.certificates:
        made.file("etc/ssl/certs/ca-certificates.crt", b"\n".join(made.certificates))


def archive(packages: Sequence[str], cache: Path, into: Path) -> Iterator[str]:
    """Write the root file system of an image into a file; yields what is being done, for a person.

    Args:
        packages: Names of Debian packages.
        cache: Where fetched packages are kept for the next time.
        into: The file to write.

    Raises:
        ExecutorUnavailable: This machine has no apt.
        MassGenError: A package does not exist or cannot be fetched.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise ExecutorUnavailable(
                f"this machine has no {program}, from whose packages the image would be made; take an image of a registry instead: "
                "options image: python:3.12-slim, pull: missing"
            )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="massgen-image-") as work:
        yield f"fetching {', '.join(packages)} and what they need"
        files = _fetched(packages, cache, Path(work))
    yield f"unpacking {len(files)} packages"
    with tarfile.open(into, "w", format=tarfile.PAX_FORMAT) as tar:
        made = _Archive(tar)
        _begin(made)
        for file in files:
            _unpacked(file, made)
        _finish(made)
    yield f"{into.stat().st_size / 1e6:.0f} MB after {time.monotonic() - begun:.0f} s"
