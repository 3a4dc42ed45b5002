"""The options of both transports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["AuthConfig", "HttpConfig"]

_ABOVE_0 = attrs.validators.gt(0)


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class AuthConfig:
    """How to show who is asking."""

    type: str = _help(
        "bearer: a token; oauth: a login by a person; client_credentials: a login of the program's own",
        default="bearer",
        validator=attrs.validators.in_(("bearer", "oauth", "client_credentials")),
    )
    token: str = _help("of bearer: the token, as a reference such as env:TOKEN", default="", repr=False)
    client_id: str = _help("of oauth, where the server does not register clients, and of client_credentials", default="")
    client_secret: str = _help("the client's secret, as a reference", default="", repr=False)
    scope: str = _help("scopes to ask for, separated by spaces; empty: what the server names", default="")
    issuer: str = _help("of client_credentials: the only authorization server that the secret may go to", default="")
    port: int = _help(
        "of oauth: the port of this machine that the login comes back to; 0: any free one",
        default=0,
        validator=[attrs.validators.ge(0), attrs.validators.le(65535)],
    )
    interactive: bool = _help("of oauth: a person may be asked to log in now; without it a login that is needed is an error", default=False)
    login_seconds: float = _help("of oauth: seconds that a person has for it", default=300.0, validator=_ABOVE_0)


@attrs.frozen(kw_only=True)
class HttpConfig:
    """Where a server is and how to speak with it."""

    url: str = _help("its address: http:// or https://", validator=attrs.validators.matches_re(r"(?i)https?://[^/?#]+.*"))
    headers: Mapping[str, str] = _help("sent with every request; `env:NAME` and other references to secrets are resolved", factory=dict, repr=False)
    auth: AuthConfig | str | None = _help("a token's reference, `oauth`, or a mapping with more", default=None, repr=False)
    max_message: int = _help("bytes of the longest message; a longer one is skipped", default=16 << 20, validator=attrs.validators.ge(1024))
    connect_seconds: float = _help("seconds to reach it", default=30.0, validator=_ABOVE_0)
    idle_seconds: float = _help("seconds of an answer without a single byte", default=300.0, validator=_ABOVE_0)
    body_seconds: float = _help("seconds from the first byte of a message to its last", default=60.0, validator=_ABOVE_0)
    proxy: str = _help(
        "address of a proxy, or a reference to it; empty: as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say; none: no proxy",
        default="",
        repr=False,
        validator=attrs.validators.matches_re(r"|none|(?i:https?://[^/?#]+/?)|[a-z][a-z0-9-]*:(?!//).+"),
    )
    allow_localhost: bool = _help("it may be on this machine", default=False)
    allow_private: bool = _help("it may have a private or link-local address", default=False)
    redirect_hosts: tuple[str, ...] = _help("other hosts that it may redirect to; credentials are not sent there", default=())

    @property
    def shown(self) -> AuthConfig | None:
        """How to show who is asking, in its long form."""
        if isinstance(self.auth, str):
            return AuthConfig(type="oauth") if self.auth == "oauth" else AuthConfig(token=self.auth)
        return self.auth
