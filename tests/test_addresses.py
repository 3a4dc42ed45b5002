"""Addresses that may be connected to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.addresses import address_refusal

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
LOCAL = ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "0.1.2.3", "::", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "::127.0.0.1"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::10.0.0.1", "2002:a00:1::", "198.18.0.1", "192.0.2.1", "2001:db8::1"),
]
NEVER = ["224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "::ffff:224.0.0.1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """A public address may be used, however it is written."""
    assert "" == address_refusal(address)


@pytest.mark.parametrize("address", LOCAL)
def test_this_machine_must_be_allowed(address: str) -> None:
    """Every spelling of this machine is refused until it is allowed; leave for private addresses is no leave for this machine."""
    assert "this machine" in address_refusal(address, allow_private=True)
    assert "" == address_refusal(address, allow_localhost=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_must_be_allowed(address: str) -> None:
    """Private and link-local addresses, those inside IPv6 included, are refused until they are allowed."""
    assert address_refusal(address, allow_localhost=True)
    assert "" == address_refusal(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_no_one_server_is_there(address: str) -> None:
    """Multicast and reserved addresses are nobody's."""
    assert "reserved" in address_refusal(address, allow_localhost=True, allow_private=True)


@given(st.text(max_size=20))
def test_what_is_no_address_is_refused(text: str) -> None:
    """A name is not an address: it must be resolved first."""
    try:
        ip_address(text)
    except ValueError:
        assert "no IP address" in address_refusal(text, allow_localhost=True, allow_private=True)


@given(st.ip_addresses())
def test_only_global_addresses_pass(address: IPv4Address | IPv6Address) -> None:
    """What passes without leave is global by the registry's own word, for IPv4 without exception."""
    if not address_refusal(str(address)) and address.version == 4:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_what_it_is(address: IPv4Address) -> None:
    """Hiding an IPv4 address in an IPv6 one changes nothing."""
    for mapped in (f"::ffff:{address}", f"64:ff9b::{address}", str(IPv6Address((0x2002 << 112) | (int(address) << 80)))):
        assert bool(address_refusal(str(address))) == bool(address_refusal(mapped))
