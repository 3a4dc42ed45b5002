"""The kernel of MassGen. Plugin authors import `massgen_core.api` and nothing else of it."""

__version__ = "0.1.0"
