"""Bearer tokens: JSON Web Tokens checked against the provider's public keys, made into a Caller."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt

from domain.envelope import Actor, Role
from services.authorisation import Caller

ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")
"""Asymmetric ones only: with a symmetric one a public key would be a secret."""

AUDIENCE: Final = "seatledger"


@dataclass(eq=False)
class TokenRefused(Exception):
    """The bearer token is not accepted: {reason}."""

    reason: str


class TokenChecker:
    """Accepts tokens of one issuer, signed with one of its keys (by `kid`)."""

    def __init__(self, issuer: str, keys: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """`keys` gives the issuer's public keys by id."""
        self._issuer, self._keys = issuer, keys

    async def caller(self, token: str) -> Caller:
        """Who the token speaks for; raises TokenRefused."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = (await self._keys()).get(str(key_id))
            if key is None:
                raise TokenRefused(reason="unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=5,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
            return Caller(
                Actor(str(claims["sub"]), Role(claims["role"])),
                frozenset(UUID(each) for each in claims.get("accounts", ())),
                frozenset(str(each) for each in claims.get("territories", ())),
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused(reason="expired") from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            raise TokenRefused(reason="not valid here") from None
