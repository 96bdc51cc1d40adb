"""Bearer tokens: JSON Web Tokens checked against the provider's public keys, made into a Caller."""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import jwt

from adapters.identity.accepted import Accepted
from domain.envelope import Actor, Role
from services.authorisation import SEES, Caller, Sight

_OPAQUE: Final = re.compile(r"[A-Za-z0-9._:|-]{1,200}")
"""A subject stands in every event for ever: an e-mail address would, too."""

TOKEN_AT_MOST: Final = 16 * 1024
"""Characters."""


@dataclass(eq=False)
class TokenRefused(Exception):
    """The bearer token is not accepted: {reason}."""

    reason: str

    def __str__(self) -> str:
        """The reason, which quotes nothing of the token."""
        return self.reason


class IdentityUnavailable(Exception):
    """The identity provider can't be reached and no key of it holds any more: nobody can be told from anybody."""


class Keys(Protocol):
    """An issuer's public keys by id; both raise IdentityUnavailable if there are none."""

    async def known(self) -> Mapping[str, Any]:
        """Those that hold now; a key that is still there is the same object."""
        ...

    async def anew(self) -> Mapping[str, Any]:
        """The same after looking again, for an id that is not among them."""
        ...


class ClosableKeys(Keys, Protocol):
    """Keys that are asked for in the background."""

    async def close(self) -> None:
        """Ask no more."""
        ...


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

    def __init__(self, accepted: Accepted, keys: Keys) -> None:
        """`keys` are the issuer's."""
        self._accepted, self._keys = accepted, keys
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who the token speaks for; raises TokenRefused or IdentityUnavailable."""
        if len(token) > TOKEN_AT_MOST:
            raise TokenRefused(reason="too long")
        if not token.isascii():
            raise TokenRefused(reason="not valid here")
        keys = await self._keys.known()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._checked.get(digest)
        if known and known.expires_at > time.time() and keys.get(known.key_id) is known.key:
            self._checked.move_to_end(digest)
            return known.caller
        self._checked.pop(digest, None)
        checked = await self._verified(token, keys)
        self._checked[digest] = checked
        if len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)
        return checked.caller

    async def _verified(self, token: str, keys: Mapping[str, Any]) -> _Checked:
        claims, key_id, key = await self._decoded(token, keys)
        return _Checked(caller_of_claims(claims), key_id, key, float(claims["exp"]) + self._accepted.leeway_seconds)

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What the token says, checked now and not remembered; raises TokenRefused or IdentityUnavailable."""
        if len(token) > TOKEN_AT_MOST or not token.isascii():
            raise TokenRefused(reason="not valid here")
        claims, _, _ = await self._decoded(token, await self._keys.known())
        return claims

    async def _decoded(self, token: str, keys: Mapping[str, Any]) -> tuple[dict[str, Any], str, Any]:
        """The claims, and the key that they are signed with."""
        accepted = self._accepted
        try:
            header = jwt.get_unverified_header(token)
            # A provider with one key need not name it (OpenID Connect Core, 10.1).
            key_id = str(header.get("kid", next(iter(keys)) if len(keys) == 1 else None))
            # Nothing else of the header is believed: jku, x5u, jwk and x5c would let a token bring its own key.
            if header["alg"] not in accepted.algorithms or "crit" in header:
                raise TokenRefused(reason="not signed as it must be")
            key = keys.get(key_id) or (await self._keys.anew()).get(key_id)
            if key is None:
                raise TokenRefused(reason="unknown key")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(accepted.algorithms),
                audience=accepted.audience,
                issuer=accepted.issuer,
                leeway=accepted.leeway_seconds,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused(reason="expired") from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            raise TokenRefused(reason="not valid here") from None
        return claims, key_id, key


def caller_of_claims(claims: Mapping[str, Any]) -> Caller:
    """Only what the role's sight goes by is taken over. Raises TokenRefused."""
    if not _OPAQUE.fullmatch(str(claims["sub"])):
        raise TokenRefused(reason="its subject is no opaque id")
    try:
        role = Role(claims["role"])
        accounts = frozenset(UUID(each) for each in claims.get("accounts", ()))
        territories = frozenset(str(each) for each in claims.get("territories", ()))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise TokenRefused(reason="not valid here") from None
    sight = SEES[role]
    return Caller(
        Actor(str(claims["sub"]), role),
        accounts if sight is Sight.NAMED else frozenset(),
        territories if sight is Sight.TERRITORY else frozenset(),
    )
