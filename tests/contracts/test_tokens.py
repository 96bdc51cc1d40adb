"""Bearer tokens: what is accepted, what is refused, and that a remembered one is refused in time, too."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.identity import tokens
from adapters.identity.accepted import AUDIENCE, LEEWAY, Accepted
from adapters.identity.tokens import TokenChecker, TokenRefused
from domain.envelope import Role

ISSUER = "https://identity.example"
KEY = Ed25519PrivateKey.generate()


class Provider:
    """An identity provider whose keys can change."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"k1": KEY.public_key()}

    async def known(self) -> dict[str, Any]:
        return self.keys

    async def anew(self) -> dict[str, Any]:
        return self.keys


def token(key: Ed25519PrivateKey = KEY, kid: str = "k1", **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "p-anna", "role": "billing_admin", "iat": now, "exp": now + 60}
    return jwt.encode({**claims, **changed}, key, algorithm="EdDSA", headers={"kid": kid})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def checker(provider: Provider) -> TokenChecker:
    return TokenChecker(Accepted(ISSUER), provider)


async def test_a_token_speaks_for_its_subject_however_often_it_is_sent(checker: TokenChecker) -> None:
    sent = token()
    for _ in range(3):
        caller = await checker.caller(sent)
        assert (caller.actor.id, caller.actor.role) == ("p-anna", Role.BILLING_ADMIN)


@pytest.mark.parametrize(
    "changed", [{"aud": "other"}, {"iss": "https://other.example"}, {"exp": 1}, {"role": "root"}, {"accounts": ["x"]}]
)
async def test_what_is_not_meant_for_us_is_refused_each_time(checker: TokenChecker, changed: dict[str, Any]) -> None:
    for _ in range(2):
        with pytest.raises(TokenRefused):
            await checker.caller(token(**changed))


async def test_a_remembered_token_ends_with_its_time(checker: TokenChecker) -> None:
    sent = token(exp=int(time.time()) - LEEWAY + 2)
    await checker.caller(sent)
    await asyncio.sleep(2.1)
    with pytest.raises(TokenRefused, match="expired"):
        await checker.caller(sent)


async def test_a_remembered_token_ends_with_its_key(checker: TokenChecker, provider: Provider) -> None:
    sent = token()
    await checker.caller(sent)
    provider.keys = {"k1": Ed25519PrivateKey.generate().public_key()}
    with pytest.raises(TokenRefused):
        await checker.caller(sent)
    provider.keys = {}
    with pytest.raises(TokenRefused, match="unknown key"):
        await checker.caller(sent)


async def test_the_only_key_need_not_be_named(checker: TokenChecker, provider: Provider) -> None:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "p-anna", "role": "operator", "iat": now, "exp": now + 60}
    assert (await checker.caller(jwt.encode(claims, KEY, algorithm="EdDSA"))).actor.id == "p-anna"
    with pytest.raises(TokenRefused):
        await checker.caller(jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"))
    provider.keys = {"k1": KEY.public_key(), "k2": Ed25519PrivateKey.generate().public_key()}
    with pytest.raises(TokenRefused, match="unknown key"):
        await checker.caller(jwt.encode({**claims, "exp": now + 61}, KEY, algorithm="EdDSA"))


async def test_another_signature_is_not_the_remembered_token(checker: TokenChecker) -> None:
    sent = token()
    await checker.caller(sent)
    head, body, signature = sent.split(".")
    forged = f"{head}.{body}.{signature[:-4]}AAAA"
    with pytest.raises(TokenRefused):
        await checker.caller(forged)
    with pytest.raises(TokenRefused):
        await checker.caller(token(Ed25519PrivateKey.generate()))


async def test_no_more_are_remembered_than_fit(checker: TokenChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    sent = [token(sub=f"p-{number}") for number in range(5)]
    for each in sent:
        await checker.caller(each)
    assert len(checker._checked) == 3
    assert (await checker.caller(sent[0])).actor.id == "p-0"
