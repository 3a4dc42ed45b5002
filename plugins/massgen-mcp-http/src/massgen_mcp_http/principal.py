"""Who the client is for a server, beside what its options say."""

from __future__ import annotations

from massgen_core.api import Context
from massgen_mcp_http.config import HttpConfig

__all__ = ["principal"]


def principal(config: HttpConfig, context: Context) -> str:
    """Return what tells one login by a person from another; empty where there is none. What options and references hold says the rest."""
    auth = config.shown
    if auth is None or auth.type != "oauth":
        return ""
    from massgen_mcp_http.tokens import kept_tokens  # noqa: PLC0415 - the SDK's, for logins only

    return kept_tokens(config.url, auth.client_id, context).principal()
