"""What the options of a backend that speaks with a provider must keep: keys by reference, no secret in a header or an address.

For `__attrs_post_init__` of config classes: hook modules import it, so that it is light.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from massgen_core.errors import ConfigProblem

__all__ = ["check_address", "check_headers", "check_reference"]

_REFERENCE = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|(?!env:|sk:|http)[a-z][a-z0-9_-]*:[^\s:]+)\Z")
# A regular expression: the module for addresses is too heavy for a hook module.
_ADDRESS = re.compile(r"https?://(?P<user>[^/?#]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#:@\[\]]+)(?::[0-9]{1,5})?(?:/[^\s?#]*)?(?P<rest>[?#].*)?\Z")
_SECRET = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"})


def check_reference(text: str, *, example: str, path: str = "key") -> None:
    """Check that an option names a secret and does not hold it; an empty one is left to the backend.

    Raises:
        ConfigProblem: It may be the secret itself; the message does not show it.
    """
    if text and not _REFERENCE.match(text):
        raise ConfigProblem(f"a key is named by a reference and never written here; for instance {example}", path=path)


def check_headers(names: Iterable[str], *, path: str = "headers") -> None:
    """Check that none of further headers is one that carries a secret.

    Raises:
        ConfigProblem: One is.
    """
    for name in names:
        if name.lower() in _SECRET:
            raise ConfigProblem(f"the header {name!r} would hold a secret; use `key` with a reference instead", path=path)


def check_address(text: str, *, example: str, path: str = "base_url", query: str = "") -> None:
    """Check the address of a server; an empty one is left to the backend.

    Args:
        example: What one looks like.
        query: The option for a query, where there is one.

    Raises:
        ConfigProblem: It is none, or holds a user, a password or a query.
    """
    if not text:
        return
    if not (parts := _ADDRESS.match(text)):
        raise ConfigProblem(f"{path} must be an address like {example}", path=path)
    if parts["user"] is not None:
        raise ConfigProblem(f"{path} must not hold a user or a password; use `key`", path=path)
    if parts["rest"]:
        raise ConfigProblem(f"{path} must not hold a query{f'; use `{query}`' if query else ''}", path=path)
