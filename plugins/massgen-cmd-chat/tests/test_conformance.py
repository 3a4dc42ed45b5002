from __future__ import annotations

from massgen_testkit import CommandSuite


class TestChat(CommandSuite):
    """What every command must do."""

    name = "chat"
    example = ()
    stdin = "/help\n/quit\n"
    mistakes = (("--turns", "many"), ("--continue",))
