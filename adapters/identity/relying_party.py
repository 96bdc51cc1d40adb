"""Signing people in by OpenID Connect: the code flow with PKCE at one configured provider (Authlib)."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from adapters.identity.tokens import IdentityUnavailable, TokenChecker, TokenRefused, caller_of_claims
from adapters.tls import client_context
from services.authorisation import Caller

_SECONDS: Final = 5.0


class Endpoints(NamedTuple):
    """Where the provider asks people who they are, and where it gives tokens for a code."""

    authorisation: str
    token: str


class FindsEndpoints(Protocol):
    """Knows or asks where they are; raises IdentityUnavailable."""

    async def __call__(self) -> Endpoints:
        """The endpoints."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser is sent, and what its answer must match."""

    url: str
    state: str
    nonce: str
    verifier: str


class RelyingParty:
    """This service as a client of the provider."""

    def __init__(
        self,
        client_id: str,
        client_secret: str | None,
        redirect_uri: str,
        endpoints: FindsEndpoints,
        id_tokens: TokenChecker,
        authorities: Path | None = None,
    ) -> None:
        """`id_tokens` accepts those of the provider for `client_id`; `redirect_uri` is registered with it.

        `authorities` of its certificate: see client_context.
        """
        self._client_id, self._client_secret, self._redirect_uri = client_id, client_secret, redirect_uri
        self._endpoints, self._id_tokens, self._authorities = endpoints, id_tokens, authorities

    async def begin(self) -> Begun:
        """A sign-in with secrets of its own. Raises IdentityUnavailable."""
        endpoints = await self._endpoints()
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                endpoints.authorisation, state=state, nonce=nonce, code_verifier=verifier
            )
        return Begun(str(url), state, nonce, verifier)

    async def finished(self, code: str, nonce: str, verifier: str) -> Caller:
        """Who signed in. Raises TokenRefused if the provider doesn't say so to us now, or IdentityUnavailable."""
        import httpx2  # noqa: PLC0415 -- see _client
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415

        endpoints = await self._endpoints()
        try:
            async with asyncio.timeout(_SECONDS), self._client() as client:
                answer: dict[str, Any] = await client.fetch_token(endpoints.token, code=code, code_verifier=verifier)
        except OAuthError:
            raise TokenRefused(reason="the provider does not know this code") from None
        except (httpx2.HTTPError, OSError, ValueError, TimeoutError):
            raise IdentityUnavailable from None
        claims = await self._id_tokens.claims(str(answer.get("id_token", "")))
        if not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            raise TokenRefused(reason="it answers another sign-in")
        if claims.get("azp", self._client_id) != self._client_id:
            raise TokenRefused(reason="it was made for another client")
        return caller_of_claims(claims)

    def _client(self) -> Any:
        # Loading it takes a fifth of a second, which no start has to wait for.
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415

        return AsyncOAuth2Client(
            client_id=self._client_id,
            client_secret=self._client_secret,
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
            scope="openid",
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            verify=client_context(self._authorities),
            timeout=_SECONDS,
            trust_env=False,
            follow_redirects=False,
        )
