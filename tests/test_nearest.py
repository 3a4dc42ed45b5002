"""What a person probably meant."""

from __future__ import annotations

import pytest

from massgen_core.nearest import nearest


@pytest.mark.parametrize(
    ("name", "meant"),
    [("agnets", "agents"), ("Max-Tokens", "max_tokens"), ("max_token", "max_tokens"), ("zebra", ""), ("", ""), ("a" * 1_000_000, "")],
)
def test_a_slip_of_the_finger_is_understood(name: str, meant: str) -> None:
    """Whatever its case and its dashes; what is near nothing is nothing, and a huge word costs no more than a long one."""
    assert nearest(name, ["agents", "max_tokens", "limits"]) == meant
