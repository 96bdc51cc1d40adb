"""Tokens of a provider whose keys are fetched: what attackers try, keys that change, a provider that is away."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters.bootstrap import opened_ledger
from adapters.http.application import application
from adapters.identity import provider_keys
from adapters.identity.accepted import AUDIENCE, Accepted
from adapters.identity.provider_keys import ProviderKeys
from adapters.identity.sandbox import Person
from adapters.identity.tokens import IdentityUnavailable, TokenChecker, TokenRefused
from adapters.settings import Settings, SettingsError, from_environment
from adapters.tls import client_context
from domain.envelope import Role

pytestmark = pytest.mark.system

ISSUER = "https://identity.example"
ED, EC_KEY = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
STRANGER = Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public key as a provider publishes it."""
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    made = next((made for kind, made in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    return {**made.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


class Provider:
    """An HTTP server on loopback that answers whatever it is told to, and counts the questions."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.keys = [jwk(ED, "ed"), jwk(EC_KEY, "ec"), jwk(RSA_KEY, "rsa")]
        self.status, self.headers, self.asked = 200, dict[str, str](), 0
        self.body: bytes | None = None
        self.away = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                if provider.away:
                    self.close_connection = True
                    return
                body = json.dumps({"keys": provider.keys}).encode() if provider.body is None else provider.body
                self.send_response(provider.status)
                for name, value in {**provider.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is wanted
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
def attacker() -> Iterator[Provider]:
    running = Provider()
    running.keys = [jwk(STRANGER, kid) for kid in ("ed", "mine")]
    yield running
    running.stop()


@pytest.fixture
async def keys(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProviderKeys]:
    monkeypatch.setattr(provider_keys, "_PAUSE_SECONDS", 0.0)
    made = ProviderKeys(provider.url, client_context(), 60.0)
    yield made
    await made.close()


@pytest.fixture
def checker(keys: ProviderKeys) -> TokenChecker:
    return TokenChecker(Accepted(ISSUER), keys)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "p-anna", "role": "billing_admin", "iat": now, "exp": now + 60}
    return {name: value for name, value in {**right, **changed}.items() if value is not None}


def token(key: Any = ED, algorithm: str = "EdDSA", headers: dict[str, Any] | None = None, **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": "ed", **(headers or {})})


def by_hand(header: dict[str, Any], secret: bytes | None = None) -> str:
    """A token that no library would make: signed with HMAC under any secret, or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())]
    signed = b".".join(parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret is not None else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    "right",
    [
        token,
        lambda: token(EC_KEY, "ES256", {"kid": "ec"}),
        lambda: token(RSA_KEY, "RS256", {"kid": "rsa"}),
        lambda: token(aud=["somebody", AUDIENCE]),
        lambda: token(exp=int(time.time()) - 3, nbf=int(time.time()) + 3),  # clocks differ that much
    ],
    ids=["EdDSA", "ES256", "RS256", "several audiences", "another clock"],
)
async def test_what_the_provider_signed_for_us_is_accepted(checker: TokenChecker, right: Callable[[], str]) -> None:
    assert (await checker.caller(right())).actor.id == "p-anna"


def _pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


ATTACKS: dict[str, Callable[[str], str]] = {
    "no signature": lambda _: by_hand({"alg": "none", "kid": "ed"}),
    "no signature, written otherwise": lambda _: by_hand({"alg": "NoNe", "kid": "ed"}),
    "no algorithm": lambda _: by_hand({"kid": "ed"}, b"x"),
    "the public key as a secret": lambda _: by_hand({"alg": "HS256", "kid": "rsa"}, _pem(RSA_KEY)),
    "the raw public key as a secret": lambda _: by_hand(
        {"alg": "HS256", "kid": "ed"}, ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    ),
    "an empty secret": lambda _: by_hand({"alg": "HS256", "kid": "ed"}, b""),
    "an RSA key under an elliptic one's algorithm": lambda _: by_hand({"alg": "ES256", "kid": "rsa"}, _pem(RSA_KEY)),
    "another key's id": lambda _: token(EC_KEY, "ES256", {"kid": "ed"}),
    "an algorithm that is not set": lambda _: token(RSA_KEY, "RS512", {"kid": "rsa"}),
    "a stranger's key": lambda _: token(STRANGER),
    "a stranger's key at an address (jku)": lambda url: token(STRANGER, headers={"jku": url, "kid": "mine"}),
    "a stranger's key at an address, under our id": lambda url: token(STRANGER, headers={"jku": url}),
    "a stranger's certificate at an address (x5u)": lambda url: token(STRANGER, headers={"x5u": url}),
    "a stranger's key in the header (jwk)": lambda _: token(STRANGER, headers={"jwk": jwk(STRANGER, "ed")}),
    "a stranger's certificate in the header (x5c)": lambda _: token(STRANGER, headers={"x5c": ["MIIB"]}),
    "a key id that is a path": lambda _: token(STRANGER, headers={"kid": "../../../../dev/null"}),
    "a key id that is an address": lambda url: token(STRANGER, headers={"kid": url}),
    "a key id that is a statement": lambda _: token(STRANGER, headers={"kid": "x' UNION SELECT 'key"}),
    "no key id": lambda _: by_hand({"alg": "EdDSA"}, b"x"),
    "a demand that we don't know (crit)": lambda _: token(headers={"crit": ["b64"], "b64": True}),
    "another audience": lambda _: token(aud="somebody-else"),
    "no audience": lambda _: token(aud=None),
    "another issuer": lambda _: token(iss="https://identity.example/"),
    "expired": lambda _: token(exp=int(time.time()) - 60),
    "no end": lambda _: token(exp=None),
    "not yet": lambda _: token(nbf=int(time.time()) + 60),
    "made in the future": lambda _: token(iat=int(time.time()) + 60),
    "nobody": lambda _: token(sub=None),
    "a role that there is not": lambda _: token(role="root"),
    "several roles": lambda _: token(role=["operator", "billing_admin"]),
    "accounts that are none": lambda _: token(accounts=["*"]),
    "a cut signature": lambda _: token()[:-4],
    "another's signature": lambda _: ".".join([*token().split(".")[:2], token(sub="p-other").split(".")[2]]),
    "a very long one": lambda _: token(extra="x" * 20_000),
    "an encrypted one": lambda _: "a.b.c.d.e",
    "no text": lambda _: "\udcff",
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_nobody_is_asked_for_its_key(
    checker: TokenChecker, attacker: Provider, provider: Provider, name: str
) -> None:
    for _ in range(2):
        with pytest.raises(TokenRefused) as refused:
            await checker.caller(ATTACKS[name](attacker.url))
        assert "eyJ" not in str(refused.value)
    assert attacker.asked == 0
    assert provider.asked <= 3
    assert (await checker.caller(token())).actor.id == "p-anna"


async def test_a_new_key_is_found_by_its_id_and_a_withdrawn_one_ends(
    checker: TokenChecker, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = token()
    await checker.caller(old)
    provider.keys = [jwk(EC_KEY, "next")]
    assert (await checker.caller(token(EC_KEY, "ES256", {"kid": "next"}))).actor.id == "p-anna"
    with pytest.raises(TokenRefused, match="unknown key"):
        await checker.caller(old)
    provider.keys = [jwk(EC_KEY, "next"), jwk(ED, "ed")]
    monkeypatch.setattr(provider_keys, "_REFRESH_SECONDS", 0.0)
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at and provider.asked < 5:
        await checker.caller(token(EC_KEY, "ES256", {"kid": "next"}))
        await asyncio.sleep(0.01)
    assert (await checker.caller(old)).actor.id == "p-anna"


async def test_keys_serve_until_they_expire_while_the_provider_is_away(provider: Provider) -> None:
    keys = ProviderKeys(provider.url, client_context(), 60.0)
    checker = TokenChecker(Accepted(ISSUER), keys)
    sent = token()
    await checker.caller(sent)
    provider.away = True
    assert (await checker.caller(token(sub="p-other"))).actor.id == "p-other"
    keys._asked_at = float("-inf")
    with pytest.raises(TokenRefused, match="unknown key"):
        await checker.caller(token(headers={"kid": "next"}))
    keys._expires_at = keys._asked_at = float("-inf")
    for each in (sent, token()):
        with pytest.raises(IdentityUnavailable):
            await checker.caller(each)
    provider.away, keys._asked_at = False, float("-inf")
    assert (await checker.caller(sent)).actor.id == "p-anna"


async def test_the_provider_says_for_how_long_its_keys_serve(provider: Provider, keys: ProviderKeys) -> None:
    provider.headers = {"Cache-Control": "public, max-age=0, must-revalidate"}
    with pytest.raises(IdentityUnavailable):
        await keys.known()
    provider.headers = {"Cache-Control": "max-age=99999"}
    await keys.known()
    assert keys._expires_at - time.monotonic() <= 60.0


async def test_ids_that_nobody_knows_do_not_make_us_ask_each_time(provider: Provider) -> None:
    checker = TokenChecker(Accepted(ISSUER), ProviderKeys(provider.url, client_context(), 60.0))
    for number in range(50):
        with pytest.raises(TokenRefused):
            await checker.caller(token(STRANGER, headers={"kid": f"k-{number}"}))
    assert provider.asked == 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": 500},
        {"status": 302, "headers": {"Location": "/keys"}},
        {"body": b"nonsense"},
        {"body": b"[]"},
        {"body": b'{"keys": [1]}'},
        {"body": b'{"keys": []}'},
        {"body": b" " * 300_000},
        {"keys": [{"kty": "oct", "kid": "ed", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "unheard-of", "kid": "ed"}]},
        {"keys": [jwk(ED, "ed", use="enc")]},
        {"keys": [{name: value for name, value in jwk(ED, "ed").items() if name != "kid"}]},
        {"keys": [jwk(rsa.generate_private_key(65537, 1024), "ed")]},
    ],
    ids=range(12),
)
async def test_an_answer_without_usable_keys_is_none(
    provider: Provider, keys: ProviderKeys, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(provider, name, value)
    with pytest.raises(IdentityUnavailable):
        await keys.known()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """The certificate of an authority of our own for 127.0.0.1, and a server's end with it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "identity.example")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, both = tmp_path / "ca.pem", tmp_path / "server.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(private + made.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return public, context


async def test_the_providers_certificate_is_checked(certificate: tuple[Path, ssl.SSLContext]) -> None:
    authority, context = certificate
    provider = Provider(context)
    try:
        assert await ProviderKeys(provider.url, client_context(authority), 60.0).known()
        with pytest.raises(IdentityUnavailable):
            await ProviderKeys(provider.url, client_context(), 60.0).known()
    finally:
        provider.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"IDENTITY_JWKS_URL": "http://identity.example/keys", "IDENTITY_ISSUER": ISSUER}, "https://"),
        ({"IDENTITY_JWKS_URL": "file:///etc/passwd", "IDENTITY_ISSUER": ISSUER}, "https://"),
        ({"IDENTITY_JWKS_URL": "https://identity.example/keys"}, "belong together"),
        ({"IDENTITY_ALGORITHMS": "RS256,HS256"}, "IDENTITY_ALGORITHMS: one or more of"),
        ({"IDENTITY_ALGORITHMS": "none"}, "IDENTITY_ALGORITHMS: one or more of"),
    ],
    ids=range(5),
)
def test_a_setting_that_would_let_others_in_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        from_environment()


def test_other_asymmetric_signatures_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ALGORITHMS", "PS256, ES384")
    assert from_environment().identity_algorithms == ("PS256", "ES384")


async def test_the_api_takes_the_providers_tokens_alone_and_says_503_while_nobody_can_be_known(
    provider: Provider, ledger_url: str
) -> None:
    settings = Settings(sandbox=True, identity_jwks_url=provider.url, identity_issuer=ISSUER)
    async with opened_ledger(settings, ledger_url) as ledger:
        await ledger.sandbox.identity.admit(Person(login="anna", id="p-anna", name="Anna", role=Role.OPERATOR))
        of_the_sandbox = await ledger.sandbox.identity.token("anna")
        transport = httpx2.ASGITransport(app=application(ledger))
        async with httpx2.AsyncClient(transport=transport, base_url="http://ledger.example") as client:

            async def called(sent: str | None) -> httpx2.Response:
                headers = {} if sent is None else {"Authorization": f"Bearer {sent}"}
                return await client.get("/v1/accounts", headers=headers)

            provider.away = True
            answer = await called(token())
            assert (answer.status_code, answer.json()["code"]) == (503, "IDENTITY_UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) > 0
            assert (await called(None)).status_code == 401
            provider.away, keys = False, ledger.tokens._keys
            assert isinstance(keys, ProviderKeys)
            keys._asked_at = float("-inf")
            assert (await called(token())).json() == {"items": [], "next": None}
            answer = await called(of_the_sandbox)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
            assert (await called(None)).headers["WWW-Authenticate"] == "Bearer"


async def test_who_sends_too_much_waits_and_others_do_not(provider: Provider, ledger_url: str) -> None:
    settings = Settings(
        sandbox=True,
        identity_jwks_url=provider.url,
        identity_issuer=ISSUER,
        requests_per_second=0.3,
        refused_per_second=0.2,
    )
    async with opened_ledger(settings, ledger_url) as ledger:
        transport = httpx2.ASGITransport(app=application(ledger))
        async with httpx2.AsyncClient(transport=transport, base_url="http://ledger.example") as client:

            async def statuses(sent: str, count: int) -> list[int]:
                headers = {"Authorization": f"Bearer {sent}"}
                return [(await client.get("/v1/accounts", headers=headers)).status_code for _ in range(count)]

            assert await statuses(token(), 5) == [200, 200, 200, 429, 429]
            assert await statuses("nonsense", 4) == [401, 401, 429, 429]
            assert await statuses(token(sub="p-other"), 1) == [200]
            answer = await client.get("/v1/accounts", headers={"Authorization": f"Bearer {token()}"})
            assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
            assert 1 <= int(answer.headers["Retry-After"]) <= 4
