"""Images for one MCP server each: its package is installed when the image is made, and nothing is fetched when it runs.

Nothing of a package is run here: npm leaves its scripts out, and of the Python index wheels alone are taken.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import docker.errors

from massgen_core.api import MassGenError, clean_line
from massgen_exec_docker.debian import BASE
from massgen_exec_docker.engine import Engine, told
from massgen_exec_docker.images import LABEL, build
from massgen_exec_docker.owner import labels

__all__ = ["REPOSITORY", "build_server"]

REPOSITORY = "massgen-server"
PLACE = "/opt/massgen-server"
_STACK = "server"
_PYTHON = "3.11"  # what Debian's stable release has; wheels of another would not be imported
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NPM = re.compile(r"(?P<name>(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*)(?:@(?P<version>[A-Za-z0-9._+-]+))?")
_PIP = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extra>\[[A-Za-z0-9,._-]+\])?(?:(?:==|@)(?P<version>[A-Za-z0-9._+!-]+))?")
_MACHINES = {"x86_64": ("x64", "x86_64"), "amd64": ("x64", "x86_64"), "aarch64": ("arm64", "aarch64"), "arm64": ("arm64", "aarch64")}
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION = re.compile(r"[A-Za-z0-9._+!-]+")
_TAKEN = re.compile(r"env|node|npx|python[0-9.]*|sh|uvx")  # what starts the agent, the launcher and the programs
_SECONDS = 600


def _parsed(pattern: re.Pattern[str], package: str) -> re.Match[str]:
    match = pattern.fullmatch(package)
    if match is None:
        raise MassGenError(f"{clean_line(package)!r} is no package; write its name, and the version after it: name@1.2.3")
    return match


def _run(argv: Sequence[str]) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(  # noqa: S603 - installers, with names that were checked
            argv, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL, env=env
        )
    except subprocess.TimeoutExpired:
        raise MassGenError(f"{Path(argv[0]).name} did not end within {_SECONDS} s") from None
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-6:])
        raise MassGenError(f"{Path(argv[0]).name} could not install it: {clean_line(said, 600)}")


def _machine(engine: Engine) -> tuple[str, str]:
    found = _MACHINES.get(str(engine.info.get("Architecture")))
    if found is None:
        raise MassGenError(f"images for servers are not made for {clean_line(str(engine.info.get('Architecture')))}")
    return found


def _node(package: str, engine: Engine, node: str, into: Path) -> dict[str, Any]:
    """Install an npm package with its own Node.js, and return what programs it has."""
    asked = _parsed(_NPM, package)
    npm = shutil.which("npm")
    if npm is None:
        raise MassGenError("npm is not installed on this machine, where packages are fetched (Debian: apt install npm)")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+){0,2}", node):
        raise MassGenError(f"{clean_line(node)!r} is no version of Node.js")
    cpu, _ = _machine(engine)
    runtime = f"node-linux-{cpu}"
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev", "--os=linux", f"--cpu={cpu}", "--libc=glibc"]
    options += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]  # a registry that cannot be reached is told soon
    _run([npm, "install", *options, "--prefix", str(into), package, f"{runtime}@{node}"])
    modules = into / "node_modules"
    shutil.move(modules / runtime / "bin" / "node", into / "node")
    shutil.rmtree(modules / runtime)
    found = json.loads((modules / asked["name"] / "package.json").read_text(encoding="utf-8"))
    bins: Mapping[str, str] = found.get("bin") or {}
    if isinstance(bins, str):
        bins = {asked["name"].rpartition("/")[2]: bins}
    programs = {name: ("node", os.path.normpath(f"{PLACE}/node_modules/{asked['name']}/{path}"), "") for name, path in bins.items()}
    return _known(asked["name"], str(found["version"]), programs, asked["name"].rpartition("/")[2])


def _python(package: str, engine: Engine, into: Path) -> dict[str, Any]:
    """Install a package of the Python index, and return what programs it has."""
    asked = _parsed(_PIP, package)
    wanted = asked["name"] + (asked["extra"] or "") + (f"=={asked['version']}" if asked["version"] else "")
    _, machine = _machine(engine)
    target = into / "python"
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is not None:
        platform = ["--python-version", _PYTHON, "--python-platform", f"{machine}-manylinux_2_28"]
        _run([uv, "pip", "install", "--quiet", "--target", str(target), "--only-binary", ":all:", *platform, wanted])
    else:
        platforms = [f"--platform={name}_{machine}" for name in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "--only-binary=:all:"]
        _run([*command, f"--python-version={_PYTHON}", "--implementation=cp", *platforms, wanted])
    plain = re.sub(r"[-_.]+", "-", asked["name"]).lower()
    found = next(each for each in distributions(path=[str(target)]) if re.sub(r"[-_.]+", "-", each.name).lower() == plain)
    scripts = [each for each in found.entry_points if each.group == "console_scripts"]
    programs = {each.name: ("python", each.module, each.attr) for each in scripts}
    return _known(asked["name"], found.version, programs, asked["name"])


def _known(name: str, version: str, programs: Mapping[str, Any], usual: str) -> dict[str, Any]:
    """Return what the image's launcher knows. What a package says of itself becomes paths and a line of the image's."""
    for each in programs:
        if not _PROGRAM.fullmatch(each) or _TAKEN.fullmatch(each):
            raise MassGenError(f"{name} has a program {clean_line(each)!r}, which would take another's place in the image; it is not installed")
    if not _VERSION.fullmatch(version):
        raise MassGenError(f"{name} says that its version is {clean_line(version)!r}, which is none; it is not installed")
    program = usual if usual in programs or not programs else next(iter(programs))
    return {"packages": {name: {"version": version, "program": program}}, "programs": dict(programs)}


def _archive(folder: Path, known: Mapping[str, Any]) -> Path:
    """Return an archive of what is put into the image: the packages, and programs that start them by their usual names."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    launcher = (Path(__file__).parent / "inside" / "launch.py").read_bytes()
    made = folder / "image.tar"
    with tarfile.open(made, mode="w") as tar:
        for name in ("node_modules", "python"):
            if (folder / name).is_dir():
                tar.add(folder / name, f"{PLACE[1:]}/{name}", filter=plain)
        if (folder / "node").is_file():
            (folder / "node").chmod(0o755)
            tar.add(folder / "node", "usr/local/bin/node", filter=plain)
        files = {f"usr/local/bin/{name}": launcher for name in ("npx", "uvx", *known["programs"])}
        for path, data in {f"{PLACE[1:]}/programs.json": json.dumps(known).encode(), **files}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755 if data is launcher else 0o644
            tar.addfile(member, io.BytesIO(data))
    return made


def _made(engine: Engine, base: str, name: str, source: str, archive: Path) -> str:
    """Make the image from another one and an archive, and return its id."""
    changes = [f"ENV PYTHONPATH={PLACE}/python", f"LABEL {LABEL}=server {LABEL}.recipe=server {LABEL}.packages={source}", 'CMD ["/bin/sh"]']
    try:
        box = engine.now(engine.client.containers.create, base, ["true"], network_mode="none", labels=labels())
        try:
            with archive.open("rb") as data:
                engine.now(box.put_archive, "/", data)
            image = engine.now(box.commit, REPOSITORY, name, changes="\n".join(changes))
        finally:
            engine.remove(str(box.id))
    except docker.errors.APIError as error:
        raise MassGenError(f"the engine does not take the image: {told(error)}") from None
    return str(image.id)


def build_server(engine: Engine, name: str, *, npm: str = "", pip: str = "", node: str = "22") -> Iterator[str]:
    """Make the image of one MCP server; yields what is being done, and at the end how it is used.

    Args:
        name: The image's tag.
        npm: A package of npm's registry, `name` or `name@version`.
        pip: A package of the Python index, the same.
        node: The version of Node.js for `npm`.

    Raises:
        MassGenError: The package does not exist, has no wheel, or cannot be fetched.
    """
    if not _TAG.fullmatch(name):
        raise MassGenError(f"{clean_line(name)!r} is no name; letters, digits, '.', '_' and '-' make one")
    _parsed(_NPM if npm else _PIP, npm or pip)
    base = f"{BASE}:{_STACK}"
    yield from build(engine, base, _STACK, only_missing=True)
    with tempfile.TemporaryDirectory(prefix="massgen-server-") as work:
        yield f"installing {npm or pip}"
        known = _node(npm, engine, node, Path(work)) if npm else _python(pip, engine, Path(work))
        ((package, held),) = known["packages"].items()
        source = f"{'npm' if npm else 'pypi'}:{package}@{held['version']}"
        image = _made(engine, base, name, source, _archive(Path(work), known))
    yield f"{REPOSITORY}:{name} is {image[7:19]}, with {source} and the programs {', '.join(known['programs']) or 'of its modules'}"
    yield f'use it: command: {"npx" if npm else "uvx"}, args: ["{package}"], executor: {{type: docker, image: "{REPOSITORY}:{name}"}}'
