"""Logins through the SDK's providers, with tokens that processes share."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.auth.oauth2 import OAuthContext
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

from massgen_core.api import Context, MassGenError
from massgen_mcp_http.config import AuthConfig, HttpConfig
from massgen_mcp_http.login import Login
from massgen_mcp_http.tokens import Tokens, kept_tokens
from massgen_mcp_http.wire import revealed

__all__ = ["SharedAuth", "provider"]


class SharedAuth(httpx2.Auth):
    """A provider of the SDK's whose tokens other processes use and renew, too.

    Before a request they are read again where they changed. A token that has ended is renewed by one process while the others wait, and then
    use what it got.

    Args:
        inner: The provider.
        tokens: Its storage.
    """

    requires_response_body = False

    def __init__(self, inner: OAuthClientProvider, tokens: Tokens) -> None:
        self._inner, self._tokens = inner, tokens
        self._seen = (-1, -1)

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Authenticate a request."""
        await self._reload()
        context = self._inner.context
        is_locked = False
        if context.current_tokens is not None and not context.is_token_valid() and context.can_refresh_token():
            is_locked = await self._tokens.acquire()
            await self._reload()
        flow = self._inner.async_auth_flow(request)
        try:
            response = yield await flow.__anext__()
            while True:
                response = yield await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            if is_locked:
                self._tokens.release()
            self._seen = self._tokens.changed()
            await flow.aclose()

    async def _reload(self) -> None:
        changed = self._tokens.changed()
        if changed == self._seen:
            return
        self._seen = changed
        await self._inner._initialize()
        self._inner._initialized = True
        context = self._inner.context
        if context.current_tokens is not None:
            context.update_token_expiry(context.current_tokens)


def provider(config: HttpConfig, auth: AuthConfig, context: Context) -> httpx2.Auth:
    """Return what authenticates requests to the configured server.

    Raises:
        MassGenError: The client's id is missing.
        SecretMissing: No store holds the client's secret.
    """
    tokens = kept_tokens(config.url, auth.client_id, context)
    secret = revealed(auth.client_secret, context)
    if auth.type == "client_credentials":
        if not (auth.client_id and secret and auth.issuer):
            raise MassGenError(
                "auth of type client_credentials needs client_id, client_secret and issuer: the address of the authorization server, "
                "so that the secret goes nowhere else"
            )
        made = ClientCredentialsOAuthProvider(
            server_url=config.url,
            storage=tokens,
            client_id=auth.client_id,
            client_secret=secret,
            scope=auth.scope or None,
            issuer=auth.issuer,
        )
        return SharedAuth(made, tokens)
    return SharedAuth(_person(config, auth, context, tokens, secret), tokens)


def _person(config: HttpConfig, auth: AuthConfig, context: Context, tokens: Tokens, secret: str) -> OAuthClientProvider:
    """Return what a person logs in with."""
    login = Login(auth, context, config.url)
    if auth.client_id:
        tokens.client = OAuthClientInformationFull.model_validate(
            {
                "client_id": auth.client_id,
                "client_secret": secret or None,
                "redirect_uris": [login.redirect],
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
            }
        )

    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "MassGen",
            "redirect_uris": [login.redirect],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": auth.scope or None,
        }
    )

    async def show(page: str) -> None:
        if secret:
            _fit(made.context)
        await login.show(page)

    async def come_back() -> AuthorizationCodeResult:
        result = await login.wait()
        tokens.logged_in()
        return result

    made = OAuthClientProvider(
        server_url=config.url,
        client_metadata=metadata,
        storage=tokens,
        redirect_handler=show if auth.interactive else _nobody,
        callback_handler=come_back,
    )
    return made


def _fit(context: OAuthContext) -> None:
    """Send a configured secret in the way that the authorization server takes; by RFC 8414 the header, where it does not say."""
    methods = context.oauth_metadata.token_endpoint_auth_methods_supported if context.oauth_metadata is not None else None
    if context.client_info is not None and methods and "client_secret_basic" not in methods and "client_secret_post" in methods:
        context.client_info.token_endpoint_auth_method = "client_secret_post"  # noqa: S105 - the name of a way


async def _nobody(page: str) -> None:
    raise OAuthFlowError("a person has to log in first: massgen mcp login <server>")
