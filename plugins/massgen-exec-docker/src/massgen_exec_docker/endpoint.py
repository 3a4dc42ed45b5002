"""Where the engine is: a socket of this machine, or an address that is spoken to with TLS; found as the Docker CLI finds it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from massgen_core.api import ExecutorUnavailable, clean_line

__all__ = ["Endpoint", "find"]

DEFAULT = "unix:///var/run/docker.sock"
KNOCK_SECONDS = 20.0
_PORT = 2376


@attrs.frozen(kw_only=True)
class Endpoint:
    """An engine's address.

    Attributes:
        url: `unix:///path` or `tcp://host:port`.
        certificates: The folder of `ca.pem`, `cert.pem` and `key.pem`; empty where there are none.
    """

    url: str
    certificates: str = ""

    @property
    def path(self) -> str:
        """The file of its socket; empty where it has none."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORT

    @property
    def is_near(self) -> bool:
        """It may be on this machine: a socket, or a loopback address."""
        return bool(self.path) or _is_loopback(self.place[0])

    def context(self) -> ssl.SSLContext | None:
        """Return what connections are encrypted with; None for those that are not.

        Raises:
            ExecutorUnavailable: A certificate is missing or damaged.
        """
        if not self.certificates:
            return None
        folder = Path(self.certificates)
        try:
            made = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", "") or str(error)
            raise ExecutorUnavailable(
                f"executor docker: {clean_line(self.certificates)!r} does not hold ca.pem, cert.pem and key.pem as they should be: {reason}"
            ) from None
        return made

    def client(self) -> dict[str, Any]:
        """Return how the SDK is told of it."""
        if self.path or not self.certificates:
            return {"base_url": self.url}
        import docker.tls  # noqa: PLC0415 - the SDK is slow to import

        folder = Path(self.certificates)
        tls = docker.tls.TLSConfig(client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True)
        return {"base_url": self.url, "tls": tls}

    def knock(self) -> None:
        """See whether anybody listens.

        Raises:
            OSError: Nobody does.
        """
        with socket.socket(socket.AF_UNIX) if self.path else socket.create_connection(self.place, KNOCK_SECONDS) as door:
            door.settimeout(KNOCK_SECONDS)
            if self.path:
                door.connect(self.path)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _current() -> str:
    try:
        found = json.loads((_folder() / "config.json").read_text(encoding="utf-8"))
        return str(found.get("currentContext") or "") if isinstance(found, Mapping) else ""
    except (OSError, ValueError):  # a broken file of a program that nobody needs here
        return ""


def _of_context(name: str) -> Endpoint:
    """Return what a context of the Docker CLI says."""
    key = hashlib.sha256(name.encode()).hexdigest()
    file = _folder() / "contexts" / "meta" / key / "meta.json"
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))["Endpoints"]["docker"]
        host = str(meta["Host"])
    except OSError:
        there = ", ".join(_names()) or "none"
        raise ExecutorUnavailable(
            f"executor docker: the Docker CLI has no context {clean_line(name)!r}; there are: {there}. `docker context create` makes one"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ExecutorUnavailable(f"executor docker: the context {clean_line(name)!r} is damaged, or has no Docker engine: {file}") from None
    if not host.startswith("unix://") and meta.get("SkipTLSVerify"):
        raise ExecutorUnavailable(
            f"executor docker: the context {clean_line(name)!r} does not verify its engine (SkipTLSVerify), so anybody between could be it; "
            "make the context with ca=, cert= and key= and without skip-tls-verify"
        )
    certificates = _folder() / "contexts" / "tls" / key / "docker"
    return _checked(host, str(certificates) if certificates.is_dir() else "", f"the context {name!r}")


def _names() -> list[str]:
    found = []
    for file in sorted((_folder() / "contexts" / "meta").glob("*/meta.json")):
        try:
            found.append(clean_line(str(json.loads(file.read_text(encoding="utf-8"))["Name"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _checked(url: str, certificates: str, source: str) -> Endpoint:
    """Return an address that can be used.

    Raises:
        ExecutorUnavailable: It cannot.
    """
    url = url.replace("http+unix://", "unix://")
    if url.startswith("unix:///"):
        return Endpoint(url=url)
    where = f"executor docker: {clean_line(source)} names the engine at {clean_line(url)}"
    if url.startswith("ssh://"):
        raise ExecutorUnavailable(
            f"{where}, and SSH is not spoken here. Let ssh itself carry the socket: ssh -NL /some/engine.sock:/var/run/docker.sock HOST, then "
            "host: unix:///some/engine.sock"
        )
    try:
        is_address = url.startswith("tcp://") and bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ExecutorUnavailable(f"{where}, which is no address that is understood: unix:///path or tcp://host:port")
    found = Endpoint(url=url, certificates=certificates)
    if not certificates and not found.is_near:
        raise ExecutorUnavailable(
            f"{where} without certificates: whoever can reach it is root there, and all that is sent can be read. Let it listen with TLS, and name "
            "the certificates: a context with ca=, cert= and key=, or DOCKER_CERT_PATH"
        )
    return found


def find(host: str = "", context: str = "") -> Endpoint:
    """Return where the engine is: as configured, else as DOCKER_CONTEXT, DOCKER_HOST or the Docker CLI's current context say.

    Raises:
        ExecutorUnavailable: What is named cannot be used.
    """
    environment = os.environ
    if host and context:
        raise ExecutorUnavailable("executor docker: the options host and context both name an engine; leave one out")
    certificates = environment.get("DOCKER_CERT_PATH", "") or (str(_folder()) if environment.get("DOCKER_TLS_VERIFY") else "")
    if host:
        return _checked(host, certificates, "the option host")
    name = context or environment.get("DOCKER_CONTEXT", "")
    if not name and environment.get("DOCKER_HOST"):
        return _checked(environment["DOCKER_HOST"], certificates, "DOCKER_HOST")
    name = name or _current()
    return Endpoint(url=DEFAULT) if name in ("", "default") else _of_context(name)
