"""Which network addresses a plugin may connect to on somebody else's word: checked after names are resolved, and again after each redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["address_refusal"]


def address_refusal(address: str, *, allow_localhost: bool = False, allow_private: bool = False) -> str:
    """Return why an address may not be connected to; empty where it may.

    An IPv4 address inside an IPv6 one (mapped, compatible, 6to4, Teredo, NAT64) is judged as what it leads to.

    Args:
        address: An IPv4 or IPv6 address as text, a zone (`%eth0`) included; never a host's name.
        allow_localhost: Addresses of this machine may be used.
        allow_private: Private, link-local and shared addresses may be used: those of a local network, and of a cloud's metadata service.
    """
    from ipaddress import ip_address  # noqa: PLC0415 - for those who connect

    try:
        given = ip_address(address)
    except ValueError:
        return "it is no IP address"
    found = _inner(given)
    through = f" (through {given})" if found != given else ""
    if found.is_loopback or found.is_unspecified or (found.version == 4 and int(found) >> 24 == 0):
        return "" if allow_localhost else f"{found}{through} is this machine"
    if found.is_multicast or (found.is_reserved and not found.is_link_local):
        return f"{found}{through} is a multicast or reserved address"
    if found.is_link_local and not allow_private:
        return f"{found}{through} is a link-local address, such as a cloud's metadata service has"
    if (not found.is_global or (found.version == 6 and found.is_site_local)) and not allow_private:
        return f"{found}{through} is a private address"
    return ""


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself."""
    from ipaddress import IPv4Address, IPv6Address  # noqa: PLC0415

    if not isinstance(address, IPv6Address):
        return address
    number = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    # ::/96, but for :: and ::1, and NAT64's 64:ff9b::/96 and 64:ff9b:1::/48.
    if (number >> 32 == 0 and number > 1) or number >> 32 == 0x64FF9B << 64 or number >> 80 == 0x64FF9B0001:
        return IPv4Address(number & 0xFFFFFFFF)
    return address
