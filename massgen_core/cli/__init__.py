"""The command `massgen`."""

from massgen_core.cli.main import main

__all__ = ["main"]
