"""Where a provider's endpoints are: read from its issuer's well-known address, and nothing from anywhere else."""

import asyncio
import ssl
import time
from typing import Final

import httpx2

from adapters.identity.accepted import is_safe_address
from adapters.identity.relying_party import Endpoints
from adapters.identity.tokens import IdentityUnavailable

_SECONDS: Final = 5.0
_KNOWN_SECONDS: Final = 3600.0


class Discovery:
    """Asks once an hour; what was known serves while the provider is away."""

    def __init__(self, issuer: str, tls: ssl.SSLContext) -> None:
        """Of this issuer."""
        self._issuer, self._tls = issuer, tls
        self._known: Endpoints | None = None
        self._known_until = float("-inf")

    async def __call__(self) -> Endpoints:
        """See FindsEndpoints."""
        if self._known is None or time.monotonic() > self._known_until:
            try:
                self._known = await self._asked()
            except (httpx2.HTTPError, OSError, ValueError, TypeError, KeyError):
                if self._known is None:
                    raise IdentityUnavailable from None
            self._known_until = time.monotonic() + _KNOWN_SECONDS
        return self._known

    async def _asked(self) -> Endpoints:
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        client = httpx2.AsyncClient(verify=self._tls, timeout=_SECONDS, trust_env=False, follow_redirects=False)
        async with asyncio.timeout(_SECONDS), client:
            response = await client.get(address)
            document = response.raise_for_status().json()
        found = Endpoints(document["authorization_endpoint"], document["token_endpoint"])
        if document["issuer"] != self._issuer or not all(is_safe_address(each) for each in found):
            raise ValueError
        return found
