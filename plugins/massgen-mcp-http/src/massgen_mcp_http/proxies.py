"""Which proxy a request goes through."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from ipaddress import ip_address

import httpx2

from massgen_core.api import MassGenError

__all__ = ["Proxy", "proxy_of"]

Proxy = Callable[[httpx2.URL], str]


def proxy_of(configured: str) -> Proxy:
    """Return what says for an address which proxy leads to it; empty: none does.

    Addresses of this machine are reached without one: a proxy could not lead back here.

    Args:
        configured: A proxy's address, `none`, or nothing: what the environment says.

    Raises:
        MassGenError: It is no address of a proxy.
    """
    if configured and configured != "none":
        _checked(configured, "the option proxy")
    known = {"all": configured} if configured else urllib.request.getproxies()

    def proxy(url: httpx2.URL) -> str:
        if configured == "none" or _is_here(url.host) or (not configured and urllib.request.proxy_bypass(url.netloc.decode("ascii", "replace"))):
            return ""
        found = known.get(url.scheme) or known.get("all") or ""
        return _checked(found if "://" in found else f"http://{found}", f"the environment's proxy for {url.scheme}") if found else ""

    return proxy


def _checked(address: str, whose: str) -> str:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:  # the address may hold a password: it is not shown
        raise MassGenError(f"{whose} must be an address such as http://proxy.example:3128; other kinds of proxies are not used")
    return address


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
