"""Signing in to pages: at the sandbox's provider and at an independent one, and what attackers try with it."""

import asyncio
import html
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import psycopg
import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr

from adapters.bootstrap import opened_ledger
from adapters.http.application import application
from adapters.http.signing_in import signing_in
from adapters.http.signing_in.session import SESSION, SIGN_IN
from adapters.ledger import Ledger
from adapters.postgres import sessions
from adapters.settings import Settings
from tests.system.customers import LINDNER, customers
from tests.system.processes import Running, free_port

pytestmark = pytest.mark.system

PORTAL = "https://portal.example"


@dataclass
class Browser:
    """Keeps cookies as a browser does, `__Host-` rules included, and sends the headers that one sends."""

    client: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, url: str, **headers: str) -> httpx2.Response:
        return await self._sent("GET", url, headers)

    async def post(self, url: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._sent("POST", url, {**kind, **headers}, urlencode(fields))

    async def _sent(
        self, method: str, url: str, headers: dict[str, str], content: str | None = None
    ) -> httpx2.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**({"Cookie": cookie} if cookie else {}), **{name.replace("_", "-"): v for name, v in headers.items()}}
        self.client.cookies.clear()  # its own jar would be all browsers' at once
        answer = await self.client.request(method, url, headers=sent, content=content)
        for header in answer.headers.get_list("Set-Cookie"):
            for name, morsel in SimpleCookie(header).items():
                if name.startswith("__Host-"):
                    assert morsel["secure"]
                    assert morsel["httponly"]
                    assert (morsel["path"], morsel["domain"], morsel["samesite"].lower()) == ("/", "", "lax")
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


# --- at the independent provider -----------------------------------------------------------------------------------


class Mock:
    """`oidc-provider-mock`, which is none of ours, in a process of its own."""

    def __init__(self) -> None:
        self.base = f"http://127.0.0.1:{free_port()}"
        port = self.base.rpartition(":")[2]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + 60
        while time.monotonic() < give_up_at:
            try:
                assert httpx2.get(self.base + "/.well-known/openid-configuration").status_code == 200
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return
        pytest.fail("the provider did not start")

    def admit(self, sub: str, **claims: Any) -> None:
        assert httpx2.put(f"{self.base}/users/{sub}", json=claims).status_code < 300

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    running = Mock()
    running.admit("p-anna", role="billing_admin", accounts=[str(LINDNER)])
    running.admit("p-nobody", role="billing_admin", accounts=[])
    running.admit("p-guest")
    yield running
    running.stop()


@pytest.fixture
async def ledger(ledger_url: str, mock: Mock) -> AsyncIterator[Ledger]:
    settings = Settings(
        sandbox=True,
        public_url=PORTAL,
        identity_issuer=mock.base,
        identity_jwks_url=mock.base + "/jwks",
        identity_client_id="portal",
        identity_client_secret=SecretStr("a-secret"),
    )
    async with opened_ledger(settings, ledger_url) as opened:
        await _settled(opened)
        yield opened


@pytest.fixture
async def portal(ledger: Ledger) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application(ledger), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=PORTAL) as client:
        yield client


async def _begun(browser: Browser, to: str = "") -> str:
    """The address at the provider that the browser is sent to."""
    answer = await browser.get(f"/sign-in{to}")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


async def _confirmed(address: str, sub: str) -> str:
    """The address that the provider sends the browser back to, on our site."""
    async with httpx2.AsyncClient() as elsewhere:
        answer = await elsewhere.post(address, data={"sub": sub, "action": "authorize"})
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}" == PORTAL
    return f"{back.path}?{back.query}"


async def _signed_in(browser: Browser, sub: str = "p-anna", to: str = "") -> httpx2.Response:
    return await browser.get(await _confirmed(await _begun(browser, to), sub))


async def test_somebody_signs_in_sees_who_he_is_and_signs_out(portal: httpx2.AsyncClient, ledger_url: str) -> None:
    browser = Browser(portal)
    away = await browser.get("/signed-in")
    assert (away.status_code, away.headers["Location"]) == (303, "/sign-in?to=/signed-in")
    answer = await _signed_in(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/signed-in")
    assert set(browser.cookies) == {SESSION}
    page = await browser.get("/signed-in", Accept_Language="de-DE,de;q=0.9")
    assert "Sie sind angemeldet" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    with psycopg.connect(ledger_url) as connection:
        stored = connection.execute("SELECT s::text FROM ledger.sessions AS s").fetchall()
    assert browser.cookies[SESSION] not in str(stored), "a copy of the table opens nothing"
    kept = browser.cookies[SESSION]
    out = await browser.post("/sign-out", {"csrf_token": _csrf(page.text)}, Origin=PORTAL)
    assert (out.status_code, browser.cookies) == (200, {})
    again = Browser(portal, {SESSION: kept})
    assert (await again.get("/signed-in")).status_code == 303, "the back button, or a copy of the cookie"


async def test_the_provider_is_asked_with_pkce_state_and_nonce_anew_each_time(portal: httpx2.AsyncClient) -> None:
    browser = Browser(portal)
    asked = [parse_qs(urlsplit(await _begun(browser)).query) for _ in range(2)]
    for each in asked:
        assert each["code_challenge_method"] == ["S256"]
        assert each["response_type"] == ["code"]
        assert each["redirect_uri"] == [PORTAL + "/sign-in/callback"]
        assert all(len(each[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert all(asked[0][name] != asked[1][name] for name in ("state", "nonce", "code_challenge"))


async def test_two_tabs_sign_in_at_once(portal: httpx2.AsyncClient) -> None:
    browser = Browser(portal)
    first, second = await _begun(browser, "?to=/orders"), await _begun(browser, "?to=/quotes")
    assert (await browser.get(await _confirmed(second, "p-anna"))).headers["Location"] == "/quotes"
    # The cookie of the sign-in went with the first that was finished: the other tab is told to begin again.
    assert (await browser.get(await _confirmed(first, "p-anna"))).status_code == 400
    assert (await browser.get("/signed-in")).status_code == 200


async def test_a_session_never_has_the_secret_that_was_there_before(portal: httpx2.AsyncClient) -> None:
    planted = "a" * 43
    browser = Browser(portal, {SESSION: planted})
    await _signed_in(browser)
    first = browser.cookies[SESSION]
    assert first != planted
    assert (await Browser(portal, {SESSION: planted}).get("/signed-in")).status_code == 303
    await _signed_in(browser)
    assert browser.cookies[SESSION] != first
    assert (await Browser(portal, {SESSION: first}).get("/signed-in")).status_code == 303, "the old one ended with it"


async def test_an_answer_is_good_once_and_for_the_browser_that_began(portal: httpx2.AsyncClient) -> None:
    browser, other = Browser(portal), Browser(portal)
    back = await _confirmed(await _begun(browser), "p-anna")
    await _begun(other)
    assert (await other.get(back)).status_code == 400, "sign-in forced on another"
    assert SESSION not in other.cookies
    state, code = (parse_qs(urlsplit(back).query)[name][0] for name in ("state", "code"))
    assert (await browser.get(f"/sign-in/callback?code={code}&state={'x' * 64}")).status_code == 400
    kept = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    again = Browser(portal, kept)
    assert (await again.get(back)).status_code == 400, "the same state again"
    fresh = parse_qs(urlsplit(await _begun(again)).query)["state"][0]
    refused = await again.get(f"/sign-in/callback?code={code}&state={fresh}")
    assert refused.status_code in {400, 403}, "the same code under another state"
    assert SESSION not in again.cookies
    assert state != fresh


async def test_an_id_token_of_another_sign_in_is_refused(portal: httpx2.AsyncClient, ledger_url: str) -> None:
    browser = Browser(portal)
    back = await _confirmed(await _begun(browser), "p-anna")
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute("UPDATE ledger.sign_ins SET nonce = 'another'")
    assert (await browser.get(back)).status_code == 403
    assert SESSION not in browser.cookies


async def test_nobody_is_sent_elsewhere_after_it(portal: httpx2.AsyncClient) -> None:
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: 1", "javascript:alert(1)", "x"):
        answer = await _signed_in(Browser(portal), to=f"?{urlencode({'to': to})}")
        assert answer.headers["Location"] == "/signed-in", to


async def test_he_comes_back_to_where_he_was(portal: httpx2.AsyncClient) -> None:
    answer = await _signed_in(Browser(portal), to=f"?{urlencode({'to': '/orders?state=placed'})}")
    assert answer.headers["Location"] == "/orders?state=placed"


async def test_another_site_signs_nobody_out(portal: httpx2.AsyncClient) -> None:
    browser = Browser(portal)
    await _signed_in(browser)
    token = _csrf((await browser.get("/signed-in")).text)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}, {"Sec_Fetch_Site": "cross-site"}):
        for path in ("/sign-out", "/sign-out-everywhere"):
            assert (await browser.post(path, {"csrf_token": token}, **headers)).status_code == 403, headers
    for fields in ({}, {"csrf_token": "x"}, {"csrf_token": "ü"}):
        assert (await browser.post("/sign-out", fields, Origin=PORTAL)).status_code == 403
    assert (await browser.get("/signed-in")).status_code == 200
    assert (await browser.get("/sign-out")).status_code == 405


async def test_he_signs_out_everywhere(portal: httpx2.AsyncClient) -> None:
    desk, phone = Browser(portal), Browser(portal)
    await _signed_in(desk)
    await _signed_in(phone)
    token = _csrf((await desk.get("/signed-in")).text)
    stolen = _csrf((await phone.get("/signed-in")).text)
    assert (await desk.post("/sign-out-everywhere", {"csrf_token": stolen}, Origin=PORTAL)).status_code == 403
    assert (await desk.post("/sign-out-everywhere", {"csrf_token": token}, Sec_Fetch_Site="same-origin")).is_success
    assert (await phone.get("/signed-in")).status_code == 303


@pytest.mark.parametrize("what", ["idle", "too long"])
async def test_a_session_ends_by_itself(portal: httpx2.AsyncClient, ledger_url: str, what: str) -> None:
    browser = Browser(portal)
    await _signed_in(browser)
    column, seconds = ("seen_at", sessions.IDLE_SECONDS) if what == "idle" else ("began_at", sessions.LONGEST_SECONDS)
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        move = f"UPDATE ledger.sessions SET {column} = {column} - make_interval(secs => %s)"
        connection.execute(move.encode(), (seconds - 120,))
        assert (await browser.get("/signed-in")).status_code == 200
        if what == "idle":
            connection.execute(move.encode(), (seconds - 120,))
            assert (await browser.get("/signed-in")).status_code == 200, "the look before was noted"
        connection.execute(move.encode(), (seconds + 120,))
    assert (await browser.get("/signed-in")).status_code == 303
    await _begun(browser)
    with psycopg.connect(ledger_url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.sessions").fetchone() == (0,), "and is swept up"


async def test_a_cookie_that_is_none_of_ours_is_no_session(portal: httpx2.AsyncClient) -> None:
    for cookie in ("", "x", "a" * 42, "a" * 44, "a" * 30_000, "v1.abc.def", "../../etc", '"quoted"'):
        answer = await Browser(portal, {SESSION: cookie, SIGN_IN: cookie}).get("/signed-in")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?to=/signed-in"), cookie
        back = await Browser(portal, {SIGN_IN: cookie}).get("/sign-in/callback?state=x&code=y")
        assert back.status_code == 400, cookie


async def test_who_has_no_access_is_told_what_to_do(portal: httpx2.AsyncClient) -> None:
    for sub, said in (
        ("p-guest", "nobody has given you access"),
        ("p-nobody", "No account is assigned"),
        ("anna.weber@lindner.example", "nobody has given you access"),
    ):
        browser = Browser(portal)
        answer = await browser.get(await _confirmed(await _begun(browser), sub))
        assert (answer.status_code, said in answer.text) == (403, True), sub
        assert "Corporate Account Services" in answer.text
        assert SESSION not in browser.cookies


async def test_who_breaks_it_off_is_not_signed_in(portal: httpx2.AsyncClient) -> None:
    browser = Browser(portal)
    state = parse_qs(urlsplit(await _begun(browser)).query)["state"][0]
    answer = await browser.get(f"/sign-in/callback?error=access_denied&state={state}")
    assert (answer.status_code, "broken off" in answer.text) == (403, True)
    assert SESSION not in browser.cookies


async def _settled(ledger: Ledger) -> None:
    """A pool that is closed while it still connects leaves a connection behind."""
    await ledger.pool.wait()
    await ledger.sessions._pool.wait()
    await ledger.sandbox.identity.people()


async def test_a_provider_that_is_away_is_said_and_nobody_is_signed_in(ledger_url: str, mock: Mock) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    for issuer in (gone, mock.base + "/"):  # the second names itself otherwise
        settings = Settings(
            sandbox=True, identity_issuer=issuer, identity_jwks_url=mock.base + "/jwks", identity_client_id="portal"
        )
        async with opened_ledger(settings, ledger_url) as ledger:
            await _settled(ledger)
            transport = httpx2.ASGITransport(app=application(ledger))
            async with httpx2.AsyncClient(transport=transport, base_url=PORTAL) as client:
                answer = await Browser(client).get("/sign-in", Accept_Language="de")
        assert (answer.status_code, "in einigen Minuten" in answer.text) == (503, True)


async def test_without_a_client_there_is_no_sign_in(ledger_url: str, mock: Mock) -> None:
    settings = Settings(sandbox=True, identity_issuer=mock.base, identity_jwks_url=mock.base + "/jwks")
    async with opened_ledger(settings, ledger_url) as ledger:
        await _settled(ledger)
        transport = httpx2.ASGITransport(app=application(ledger))
        async with httpx2.AsyncClient(transport=transport, base_url=PORTAL) as client:
            assert (await client.get("/sign-in")).status_code == 404


# --- at the sandbox's, with everything served ----------------------------------------------------------------------


async def test_in_the_embedded_default_somebody_is_chosen_and_pkce_is_checked(ledger_url: str) -> None:
    await customers(ledger_url)
    running = await asyncio.to_thread(Running, "serve", DATABASE_URL=ledger_url, SANDBOX="1")
    await asyncio.to_thread(running.ready)
    base = running.base.replace("127.0.0.1", "localhost")
    try:
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            browser = Browser(client)
            who = await browser.get(await _begun(browser))
            link = re.search(r'href="(/sandbox/identity/as/anna\?[^"]+)"', who.text)
            assert link
            back = (await browser.get(html.unescape(link[1]))).headers["Location"]
            assert back.startswith(base + "/sign-in/callback?")
            assert (await browser.get(back)).headers["Location"] == "/signed-in"
            assert "You are signed in" in (await browser.get("/signed-in")).text
            assert (
                await client.get(html.unescape(link[1]), headers={"Sec-Fetch-Site": "cross-site"})
            ).status_code == 403
            await _a_code_without_its_verifier_is_worth_nothing(client, html.unescape(link[1]), base)
    finally:
        assert "Traceback" not in running.ended_by(signal.SIGTERM)


async def _a_code_without_its_verifier_is_worth_nothing(client: httpx2.AsyncClient, link: str, base: str) -> None:
    query = parse_qs(urlsplit(link).query)
    redeeming = {"client_id": "seatledger-pages", "redirect_uri": base + "/sign-in/callback"}
    for verifier in ({}, {"code_verifier": "x" * 64}):
        back = (await client.get(link)).headers["Location"]
        code = parse_qs(urlsplit(back).query)["code"][0]
        fields = urlencode({"grant_type": "authorization_code", "code": code, **redeeming, **verifier})
        answer = await client.post("/sandbox/identity/token", content=fields)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
    for change in (
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example"},
        {"code_challenge_method": "plain"},
    ):
        changed = {name: values[0] for name, values in query.items()} | change
        assert (await client.get(f"/sandbox/identity/authorise?{urlencode(changed)}")).status_code == 400
    unknown = link.replace("/as/anna", "/as/whoever")
    assert (await client.get(unknown)).status_code == 404


async def test_every_page_is_behind_a_session_or_is_one_of_these(portal: httpx2.AsyncClient) -> None:
    open_to_all = {"/sign-in", "/sign-in/callback"}
    pages = [route for route in signing_in.routes if isinstance(route, APIRoute)]
    assert {route.path for route in pages} > open_to_all
    for route in pages:
        for method in (route.methods or set()) - {"HEAD"}:
            answer = await portal.request(method, route.path)
            sent_to_sign_in = answer.headers.get("Location", "").startswith("/sign-in")
            assert sent_to_sign_in == (route.path not in open_to_all), route.path
