"""The sandbox identity provider: named demo people, and tokens for them signed with a key that it made itself."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import BaseModel

from adapters.identity.accepted import AUDIENCE
from adapters.sandbox_books import SandboxBooks
from domain.envelope import Role

ISSUER: Final = "urn:seatledger:sandbox-identity"
CALLBACK: Final = "/sign-in/callback"
PAGES_CLIENT: Final = "seatledger-pages"
"""The one client that people sign in to."""

_CODE_SECONDS: Final = 60
_KEY_ID: Final = "sandbox-1"
_VALID_SECONDS: Final = 12 * 3600
_PEOPLE: Final = "identity.people"
_CODES: Final = "identity.codes"


class Person(BaseModel):
    """Somebody who can sign in. `id` is opaque and goes into events; the name never does."""

    login: str
    id: str
    name: str
    role: Role
    accounts: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What a client asks for when it sends somebody here."""

    client_id: str
    redirect_uri: str
    nonce: str
    code_challenge: str


class SandboxIdentity:
    """Issues tokens to whoever asks: for the embedded default on this machine only."""

    def __init__(self, books: SandboxBooks) -> None:
        """Keep key and people in these books."""
        self._books = books
        self._private: Ed25519PrivateKey | None = None
        self._public: dict[str, Any] = {}

    async def admit(self, person: Person) -> None:
        """Let somebody sign in."""
        async with self._books.entry(_PEOPLE, person.login) as document:
            document.update(person.model_dump(mode="json"))

    async def people(self) -> list[Person]:
        """Everybody who can sign in."""
        return [Person.model_validate(document) for _, document in await self._books.list(_PEOPLE)]

    async def token(self, login: str) -> str | None:
        """A bearer token for twelve hours; None for somebody unknown."""
        document = await self._books.read(_PEOPLE, login)
        if document is None:
            return None
        return await self._signed(Person.model_validate(document), AUDIENCE, _VALID_SECONDS)

    async def grant(self, login: str, asked: Asked) -> str | None:
        """A code with which the client gets an ID token of this person, once; None for somebody unknown."""
        if await self._books.read(_PEOPLE, login) is None:
            return None
        code = secrets.token_urlsafe(32)
        async with self._books.entry(_CODES, code) as document:
            document.update(**asked._asdict(), login=login, until=time.time() + _CODE_SECONDS)
        return code

    async def redeem(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> str | None:
        """The ID token for a code; None unless client, address and PKCE verifier (RFC 7636) are those of the start."""
        async with self._books.entry(_CODES, code) as document:
            granted = dict(document)
            document.clear()  # tried is used
        if not granted or granted["until"] < time.time():
            return None
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        mine = (granted["client_id"], granted["redirect_uri"], granted["code_challenge"])
        found = await self._books.read(_PEOPLE, granted["login"])
        if mine != (client_id, redirect_uri, challenge) or found is None:
            return None
        return await self._signed(Person.model_validate(found), client_id, _CODE_SECONDS, nonce=granted["nonce"])

    async def _signed(self, person: Person, audience: str, seconds: int, **more: str) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            **more,
            "sub": person.id,
            "role": person.role.value,
            "accounts": person.accounts,
            "territories": person.territories,
            "iat": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, await self._key(), algorithm="EdDSA", headers={"kid": _KEY_ID})

    async def known(self) -> Mapping[str, Any]:
        """See adapters.identity.tokens.Keys."""
        if not self._public:
            self._public = {_KEY_ID: (await self._key()).public_key()}
        return self._public

    async def anew(self) -> Mapping[str, Any]:
        """See adapters.identity.tokens.Keys; the key never changes."""
        return await self.known()

    async def _key(self) -> Ed25519PrivateKey:
        if self._private is None:
            async with self._books.entry("identity", "key") as document:
                if "pem" not in document:
                    made = Ed25519PrivateKey.generate()
                    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                    document["pem"] = pem.decode()
                key = load_pem_private_key(document["pem"].encode(), password=None)
            assert isinstance(key, Ed25519PrivateKey)
            self._private = key
        return self._private
