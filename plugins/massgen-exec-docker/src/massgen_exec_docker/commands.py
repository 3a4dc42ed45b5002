"""`massgen docker ...`: what can be done with the engine without a run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from massgen_core.api import App, MassGenError, UsageProblem
from massgen_exec_docker.debian import BASE, STACKS

if TYPE_CHECKING:
    from massgen_exec_docker.engine import Engine

__all__ = ["BuildBase", "BuildServer", "Doctor", "Images", "Prune", "Ps"]

LABEL = "massgen.image"


@contextmanager
def _engine(arguments: argparse.Namespace) -> Iterator[Engine]:
    from massgen_exec_docker.engine import connect  # noqa: PLC0415 - the SDK is slow to import

    engine = connect(arguments.host, arguments.context)
    try:
        yield engine
    finally:
        engine.client.close()


def _add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="", metavar="SOCKET", help="the engine's socket, unix:///path (default: DOCKER_HOST, or the CLI's context)")
    parser.add_argument("--context", default="", metavar="NAME", help="a context of the Docker CLI, which names the engine")


def _print(app: App, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        app.out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


class BuildBase:
    """Makes an image from Debian's packages."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Make an image from Debian's packages, as apt of this machine finds them: no registry, no Dockerfile. It takes half a minute. "
            "Needs apt-get and dpkg-deb (Debian, Ubuntu); elsewhere take an image of a registry."
        )
        parser.add_argument("--stack", default="base", choices=sorted(STACKS), help="what is in it (default: base, with Python and a shell)")
        parser.add_argument("--package", action="append", default=[], metavar="NAME", help="a further Debian package; may be given several times")
        parser.add_argument("--name", default="", help="the image's name (default: massgen-base, with the stack as its tag where that is not base)")
        parser.add_argument("--if-missing", action="store_true", help="do nothing where an image of this name and these packages is there")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        from massgen_exec_docker.images import build  # noqa: PLC0415 - the SDK is slow to import

        name = arguments.name or (BASE if arguments.stack == "base" else f"{BASE}:{arguments.stack}")
        with _engine(arguments) as engine:
            for line in build(engine, name, arguments.stack, arguments.package, only_missing=arguments.if_missing):
                app.out(line)
        return 0


class BuildServer:
    """Makes an image for one MCP server."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Make an image in which the package of an MCP server is installed, so that it runs without a network. `npx PACKAGE` and `uvx PACKAGE` "
            "start it there. The package is fetched by npm, or by uv or pip, on this machine; none of its scripts is run."
        )
        parser.add_argument("name", help="the image is massgen-server:NAME")
        package = parser.add_mutually_exclusive_group(required=True)
        package.add_argument("--npm", default="", metavar="PACKAGE", help="a package of npm's registry; @VERSION after it pins it")
        package.add_argument("--pip", default="", metavar="PACKAGE", help="a package of the Python index; ==VERSION after it pins it")
        parser.add_argument("--node", default="22", metavar="VERSION", help="the version of Node.js for --npm (default: 22)")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        from massgen_exec_docker.servers import build_server  # noqa: PLC0415 - the SDK is slow to import

        if not (arguments.npm or arguments.pip):
            raise UsageProblem("--npm or --pip needs a package")
        with _engine(arguments) as engine:
            for line in build_server(engine, arguments.name, npm=arguments.npm, pip=arguments.pip, node=arguments.node):
                app.out(line)
        return 0


class Images:
    """Lists images that MassGen made."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "List the images that MassGen made."
        parser.add_argument("--json", action="store_true", help="print JSON")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        with _engine(arguments) as engine:
            found = engine.now(engine.client.api.images, filters={"label": LABEL})
        rows = [
            {"id": str(each["Id"])[7:19], "names": [*(each.get("RepoTags") or ())], "megabytes": round(each["Size"] / 1e6), **_packages(each)}
            for each in found
        ]
        if arguments.json:
            app.out(json.dumps({"images": rows}, indent=2))
        elif rows:
            _print(app, ("ID", "NAME", "MB"), [(row["id"], ", ".join(row["names"]) or "-", str(row["megabytes"])) for row in rows])
        else:
            app.out("MassGen has made no image here; make one: massgen docker build-base")
        return 0


def _packages(image: Mapping[str, Any]) -> dict[str, str]:
    return {"packages": str((image.get("Labels") or {}).get(f"{LABEL}.packages", ""))}


class Ps:
    """Lists containers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "List the containers of MassGen, of all its processes."
        parser.add_argument("--json", action="store_true", help="print JSON")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        from massgen_exec_docker.owner import OWNER, is_abandoned  # noqa: PLC0415

        with _engine(arguments) as engine:
            found = engine.containers()
        rows = [
            {
                "id": str(each["Id"])[:12],
                "owner": str((each.get("Labels") or {}).get(f"{OWNER}.pid", "")),
                "is_abandoned": is_abandoned(each.get("Labels") or {}),
                "status": str(each.get("Status", "")),
            }
            for each in found
        ]
        if arguments.json:
            app.out(json.dumps({"containers": rows}, indent=2))
        elif rows:
            cells = [(str(row["id"]), str(row["owner"]), "gone" if row["is_abandoned"] else "lives", str(row["status"])) for row in rows]
            _print(app, ("ID", "OWNER", "WHICH", "STATUS"), cells)
        else:
            app.out("no containers of MassGen")
        return 0


class Prune:
    """Removes what crashes left."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Remove containers of MassGen whose owners are gone. Those of running processes stay."
        parser.add_argument("--images", action="store_true", help="remove the images that MassGen made and nothing uses, too")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        with _engine(arguments) as engine:
            gone = engine.reap()
            app.out(f"removed {len(gone)} container{'' if len(gone) == 1 else 's'}")
            if arguments.images:
                from massgen_exec_docker.images import remove  # noqa: PLC0415

                app.out(f"removed {remove(engine)} images")
        return 0


class Doctor:
    """Says whether containers can be used."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Say whether the engine answers, what it enforces, and whether a hardened container works; with what to do where not."
        parser.add_argument("--image", default=BASE, help="the image to try (default: massgen-base)")
        parser.add_argument("--no-try", action="store_true", help="start no container")
        _add_host(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        from massgen_exec_docker.doctor import look  # noqa: PLC0415

        if not arguments.image:
            raise UsageProblem("--image needs a name")
        try:
            is_well = True
            for is_good, line in look(app, arguments.host, arguments.context, arguments.image, is_tried=not arguments.no_try):
                app.out(f"{'ok  ' if is_good else 'no  '}{line}")
                is_well = is_well and is_good
        except MassGenError as error:
            app.out(f"no  {error}")
            return 1
        return 0 if is_well else 1
