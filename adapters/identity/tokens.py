"""Bearer tokens: JSON Web Tokens checked against the provider's public keys, made into a Caller."""

import time
from collections import OrderedDict
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

LEEWAY: Final = 5
"""Seconds that a clock may be wrong."""


@dataclass(eq=False)
class TokenRefused(Exception):
    """The bearer token is not accepted: {reason}."""

    reason: str

    def __str__(self) -> str:
        """The reason, which quotes nothing of the token."""
        return self.reason


REMEMBERED: Final = 10_000
"""How many tokens are remembered as checked; the one that was not used for longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class _Checked:
    caller: Caller
    key_id: str
    key: Any
    expires_at: float


class TokenChecker:
    """Accepts tokens of one issuer, signed with one of its keys (by `kid`).

    A token that was accepted is not verified again until it expires or its key is withdrawn: verifying a signature
    costs more than all else that a query does.
    """

    def __init__(self, issuer: str, keys: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """`keys` gives the issuer's public keys by id."""
        self._issuer, self._keys = issuer, keys
        self._checked: OrderedDict[str, _Checked] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who the token speaks for; raises TokenRefused."""
        keys = await self._keys()
        known = self._checked.get(token)
        if known and known.expires_at > time.time() and keys.get(known.key_id) is known.key:
            self._checked.move_to_end(token)
            return known.caller
        self._checked.pop(token, None)
        checked = self._verified(token, keys)
        self._checked[token] = checked
        if len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)
        return checked.caller

    def _verified(self, token: str, keys: dict[str, Any]) -> _Checked:
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid"))
            key = keys.get(key_id)
            if key is None:
                raise TokenRefused(reason="unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
            caller = Caller(
                Actor(str(claims["sub"]), Role(claims["role"])),
                frozenset(UUID(each) for each in claims.get("accounts", ())),
                frozenset(str(each) for each in claims.get("territories", ())),
            )
            return _Checked(caller, key_id, key, float(claims["exp"]) + LEEWAY)
        except jwt.ExpiredSignatureError:
            raise TokenRefused(reason="expired") from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            raise TokenRefused(reason="not valid here") from None
