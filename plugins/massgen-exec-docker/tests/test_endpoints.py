"""Engines by address and by context: found as the Docker CLI finds them, spoken to with TLS, and shared with only what they can see."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import ExecCommand, ExecutorUnavailable, Limits, LimitUnsupported
from massgen_exec_docker.apart import check
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.endpoint import Endpoint, find
from massgen_exec_docker.engine import Engine
from massgen_testkit import PlainContext

from .stage import SECONDS, containers_of, python, sandbox, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Docker CLI's settings, empty; nothing in the environment names an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "cli"))
    return tmp_path / "cli"


def make_context(home: Path, name: str, host: str, certificates: Path | None = None, **more: Any) -> None:
    """Write what `docker context create` writes."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = home / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    document = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False, **more}}}
    (meta / "meta.json").write_text(json.dumps(document), encoding="utf-8")
    if certificates is not None:
        tls = home / "contexts" / "tls" / key / "docker"
        tls.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (tls / file).write_bytes((certificates / file).read_bytes())


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server of 127.0.0.1 and a client, made with openssl; and the same of another authority in `other`."""
    folder = tmp_path_factory.mktemp("certificates")
    for place in (folder, folder / "other"):
        place.mkdir(exist_ok=True)
        (place / "names").write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
        steps = [[*new, "ca-key.pem", "-x509", "-days", "2", "-subj", "/CN=ca", "-out", "ca.pem"]]
        for name in ("server", "cert"):
            key = "key.pem" if name == "cert" else "server-key.pem"
            steps.append([*new, key, "-subj", f"/CN={name}", "-out", f"{name}.csr"])
            sign = ["openssl", "x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "names"]
            steps.append([*sign, "-in", f"{name}.csr", "-out", f"{name}.pem"])
        for step in steps:
            subprocess.run(step, cwd=place, check=True, capture_output=True, timeout=60)
    return folder


def copy(source: Any, target: Any) -> None:
    """Pass on what comes until nothing more does."""
    with suppress(OSError, ValueError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def listening(path: str, certificates: Path) -> Iterator[str]:
    """Let an engine's socket be reached over TLS by clients of this authority; yield its address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    tls.load_verify_locations(certificates / "ca.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = [server]
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        with suppress(OSError), plain, socket.socket(socket.AF_UNIX) as engine, tls.wrap_socket(plain, server_side=True) as client:
            engine.connect(path)
            held.extend((client, engine))
            back = threading.Thread(target=copy, args=(engine, client), daemon=True)
            back.start()
            copy(client, engine)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(server.accept()[0],), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        for each in held:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in (acceptor, *threads):
            thread.join(5)
        server.close()


async def test_an_engine_is_found_as_the_docker_cli_finds_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options first, then DOCKER_CONTEXT, DOCKER_HOST, the current context, and the usual socket."""
    found = [find()]
    make_context(home, "current", "unix:///current")
    make_context(home, "named", "unix:///named")
    (home / "config.json").write_text(json.dumps({"currentContext": "current"}), encoding="utf-8")
    found.append(find())
    monkeypatch.setenv("DOCKER_HOST", "unix:///host")
    found.append(find())
    monkeypatch.setenv("DOCKER_CONTEXT", "named")
    found += [find(), find(context="current"), find(context="default"), find(host="unix:///option")]

    assert [each.path for each in found] == ["/var/run/docker.sock", "/current", "/host", "/named", "/current", "/var/run/docker.sock", "/option"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": "ssh://somebody@example.org"}, "ssh -NL"),
        ({"host": "tcp://example.org:2375"}, "without certificates"),
        ({"host": "npipe:////./pipe/docker_engine"}, "no address that is understood"),
        ({"host": "tcp://"}, "no address that is understood"),
        ({"host": "unix:///a", "context": "b"}, "leave one out"),
        ({"context": "no-such"}, "there are: .*careless"),
        ({"context": "careless"}, "SkipTLSVerify"),
        ({"context": "damaged"}, "is damaged"),
    ],
)
async def test_what_cannot_be_used_is_told(home: Path, options: dict[str, str], told: str) -> None:
    """An address without encryption, one that nobody vouches for, contexts that are not there: refused, with what to do instead."""
    make_context(home, "careless", "tcp://example.org:2376", SkipTLSVerify=True)
    make_context(home, "damaged", "tcp://example.org:2376")
    key = hashlib.sha256(b"damaged").hexdigest()
    (home / "contexts" / "meta" / key / "meta.json").write_text('{"Name": "damaged"}', encoding="utf-8")
    with pytest.raises(ExecutorUnavailable, match=told):
        find(**options)


async def test_an_engine_elsewhere_shares_no_folder(tmp_path: Path) -> None:
    """What asks for folders of this machine is refused by name before anything is started; what asks for none passes."""
    remote = Engine(None, Endpoint(url="tcp://engine.example:2376", certificates="/c"), {})
    near = Engine(None, Endpoint(url="tcp://127.0.0.1:2376"), {})
    context = PlainContext(folder=tmp_path)
    asked = DockerConfig(read=("/data",), network="allow")
    with pytest.raises(ExecutorUnavailable, match=r"engine.example.*workspace: apart.*read.*network: allow"):
        check(asked, context, remote)
    check(DockerConfig(workspace="apart"), context, remote)
    with pytest.raises(ExecutorUnavailable, match="podman"):
        check(DockerConfig(workspace="apart"), context, Engine(None, Endpoint(url="unix:///p"), {}, is_podman=True))
    check(asked, context, near)


@pytest.mark.once
async def test_an_engine_behind_tls(engine: Engine, home: Path, certificates: Path, tmp_path: Path) -> None:
    """Named by a context it runs commands with input and output, and files; when the connection ends, so does the container."""
    with listening(engine.endpoint.path, certificates) as address, anyio.fail_after(SECONDS):
        make_context(home, "far", address, certificates)
        async with sandbox(tmp_path, context="far", workspace="apart") as (executor, _):
            await executor.write("deep/note", b"kept")
            echoed = await executor.run(ExecCommand(argv=("sh", "-c", "cat; cat deep/note; pwd"), stdin=b"x" * 300_000 + b"\n"))
            assert containers_of(engine, os.getpid())
            read = await executor.read("/workspace/deep/note")
            with pytest.raises(FileNotFoundError):
                await executor.read("no-such")
            with pytest.raises(OSError, match="not a regular file"):
                await executor.read("deep")
    until(lambda: not containers_of(engine, os.getpid()))

    assert echoed.stdout == b"x" * 300_000 + b"\nkept/workspace\n"
    assert read == b"kept"
    assert not (tmp_path / "workspace").exists()


@pytest.mark.once
async def test_an_engine_on_this_machine_is_known_by_a_file(engine: Engine, home: Path, certificates: Path, tmp_path: Path) -> None:
    """Over TCP it is not sure whose folders the engine sees: a file that is put there for a moment is looked for from inside."""
    with listening(engine.endpoint.path, certificates) as address, anyio.fail_after(SECONDS):
        make_context(home, "far", address, certificates)
        async with sandbox(tmp_path, context="far") as (executor, _):
            assert not executor.engine.is_here  # type: ignore[attr-defined]
            result = await python(executor, "import os; print(os.listdir('.')); open('made', 'w')")

    assert result.stdout == b"[]\n"
    assert [file.name for file in (tmp_path / "workspace").iterdir()] == ["made"]


async def test_strangers_are_not_spoken_to(engine: Engine, home: Path, certificates: Path, tmp_path: Path) -> None:
    """A server of another authority is no engine of ours, and one that does not take our certificate is told as TLS."""
    with listening(engine.endpoint.path, certificates) as address:
        make_context(home, "far", address, certificates / "other")
        with pytest.raises(ExecutorUnavailable, match=r"(?i)certificate"):
            async with sandbox(tmp_path, context="far"):
                pass
    make_context(home, "bare", address, certificates)
    (home / "contexts" / "tls" / hashlib.sha256(b"bare").hexdigest() / "docker" / "cert.pem").unlink()
    with pytest.raises(ExecutorUnavailable, match=r"ca.pem, cert.pem and key.pem"):
        find(context="bare").context()


@pytest.mark.once
async def test_a_workspace_apart_has_a_size_and_one_container(engine: Engine, tmp_path: Path) -> None:
    """It is full at half of the disk limit; a command that needs a container of its own would not see its files, and is refused."""
    fill = "import sys\nwith open('big', 'wb') as file:\n for _ in range(40): file.write(bytes(1 << 20))"
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, workspace="apart", limits={"disk": 64 << 20}) as (executor, context):
            full = await python(executor, fill)
            with pytest.raises(LimitUnsupported, match=r"memory.*workspace: apart"):
                await python(executor, "", limits=Limits(memory=1 << 27))
            with suppress(Exception):
                await executor.run(ExecCommand(argv=("sh", "-c", "kill -9 -1")))
            empty = await python(executor, "import os; print(os.listdir('.'))")
            notices = [event.text for event in context.records.events if event.type == "notice.given"]

    assert b"No space left" in full.stderr
    assert empty.stdout == b"[]\n"
    assert any("lost" in text for text in notices)


async def test_what_the_engine_sees_elsewhere_is_not_taken_for_the_workspace() -> None:
    """A container in which the file is not there is refused."""
    from massgen_exec_docker.profile import DEFAULTS, Profile  # noqa: PLC0415

    from .test_refusals import ALL, SEEN  # noqa: PLC0415

    asked = Profile(
        image="", config=DockerConfig(), shares=(), user="1000:1000", network="none", proxy="", limits=DEFAULTS, enforced=ALL, mark=".massgen-1"
    )
    asked.check({**SEEN, "marked": True})
    with pytest.raises(ExecutorUnavailable, match="another folder"):
        asked.check({**SEEN, "marked": False})
    attrs.evolve(asked, mark="").check({**SEEN, "marked": False})
