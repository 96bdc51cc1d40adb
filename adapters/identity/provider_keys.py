"""The identity provider's public keys, read from its configured address and kept for as long as it says."""

import asyncio
import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adapters.identity.tokens import IdentityUnavailable
from services.background import ended

_log = logging.getLogger(__name__)

_FETCH_SECONDS: Final = 5.0
_BYTES_AT_MOST: Final = 256 * 1024
_REFRESH_SECONDS: Final = 300.0
"""How old keys may be before they are asked for anew; they serve meanwhile."""

_PAUSE_SECONDS: Final = 5.0
"""Between two questions, however many tokens name a key that nobody knows."""

_RSA_BITS_AT_LEAST: Final = 2048
_MAX_AGE: Final = re.compile(r"(?:^|[ ,])max-age=([0-9]{1,9})(?:$|[ ,])")


class ProviderKeys:
    """The keys by id. Nothing in a token decides where they come from."""

    def __init__(self, url: str, tls: ssl.SSLContext, keep_seconds: float) -> None:
        """`keep_seconds`: how long keys serve while the provider is away, unless its Cache-Control says less."""
        self._url, self._tls, self._keep_seconds = url, tls, keep_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._expires_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None

    async def known(self) -> Mapping[str, Any]:
        """The keys that hold now. Raises IdentityUnavailable if none do and the provider gives none."""
        now = time.monotonic()
        if now >= self._expires_at:
            await self._ask()
            if time.monotonic() >= self._expires_at:
                raise IdentityUnavailable
        elif now >= self._fetched_at + _REFRESH_SECONDS and (self._refresh is None or self._refresh.done()):
            self._refresh = asyncio.create_task(self._ask(), name="provider keys")
        return self._keys

    async def anew(self) -> Mapping[str, Any]:
        """The keys after asking the provider again, or without if somebody just has: for a key id not among them."""
        await self._ask()
        return await self.known()

    async def close(self) -> None:
        """Ask no more."""
        if self._refresh:
            await ended(self._refresh)

    async def _ask(self) -> None:
        """Fetch them, one at a time and not at once after the last try. A failure leaves what there is."""
        async with self._asking:
            if time.monotonic() < self._asked_at + _PAUSE_SECONDS:
                return
            self._asked_at = time.monotonic()
            try:
                document, keep_seconds = await self._fetched()
                self._keys = self._usable(document)
            except (httpx2.HTTPError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
                _log.warning("the identity provider's keys can't be had (%s)", type(error).__name__)
                return
            self._fetched_at = time.monotonic()
            self._expires_at = self._fetched_at + keep_seconds

    async def _fetched(self) -> tuple[Any, float]:
        client = httpx2.AsyncClient(verify=self._tls, timeout=_FETCH_SECONDS, trust_env=False, follow_redirects=False)
        async with asyncio.timeout(_FETCH_SECONDS), client, client.stream("GET", self._url) as response:
            if response.status_code != httpx2.codes.OK:
                raise httpx2.HTTPError(str(response.status_code))
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _BYTES_AT_MOST:
                    raise ValueError
            said = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        return json.loads(body), min(self._keep_seconds, float(said[1]) if said else self._keep_seconds)

    def _usable(self, document: Any) -> dict[str, jwt.PyJWK]:
        """Public signature keys with an id. One that was there before stays the same object."""
        before = {id: (key._jwk_data, key) for id, key in self._keys.items()}  # noqa: SLF001 -- it has no other name
        usable: dict[str, jwt.PyJWK] = {}
        for each in document["keys"]:
            id = each.get("kid")
            if not isinstance(id, str) or each.get("kty") == "oct" or each.get("use", "sig") != "sig":
                continue
            known = before.get(id)
            if known and known[0] == each:
                usable[id] = known[1]
                continue
            try:
                key = jwt.PyJWK(each)
            except jwt.PyJWTError:  # of a kind that PyJWT does not know
                continue
            if not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _RSA_BITS_AT_LEAST:
                usable[id] = key
        if not usable:
            raise ValueError
        return usable
