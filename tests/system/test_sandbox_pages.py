"""The operator's pages of the embedded default: harmless, for this machine only, and the same seed whenever."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest
from fastapi import FastAPI

from adapters.bootstrap import opened_ledger, projecting
from adapters.http.application import application
from adapters.http.sandbox_pages import add_sandbox_pages
from adapters.ledger import Ledger
from adapters.seeding.companies import companies
from adapters.seeding.sample_accounts import seed
from adapters.settings import Settings
from adapters.vat_ids import StdnumVatIds
from domain.account import RestrictionReason
from domain.products import Product
from domain.quote import QuoteOrigin
from services.ports import CounterpartyUnavailable, Mail, OutcomeUnknown, PaymentIntent, PaymentStatus

pytestmark = pytest.mark.system

ATTACK = "<script>alert(1)</script>"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened_ledger(Settings(sandbox=True), ledger_url) as opened, projecting(opened):
        yield opened


@pytest.fixture
def app(ledger: Ledger) -> FastAPI:
    made = application(ledger)
    add_sandbox_pages(made)
    return made


def client(app: FastAPI, host: str = "localhost", source: str = "127.0.0.1") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=(source, 50000))
    return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}:8080")


async def seeded(ledger: Ledger) -> tuple[int, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    return await seed(ledger, lambda done, total: told.append((done, total))), told


async def account_ids(ledger: Ledger) -> list[object]:
    page = await ledger.queries.accounts(None, frozenset(), 200, None)
    return [row.account_id for row in page.items]


async def test_seeding_adds_about_fifty_accounts_once_and_says_how_far_it_is(ledger: Ledger) -> None:
    added, told = await seeded(ledger)
    assert added == len(await account_ids(ledger)) == 51
    assert told[-1] == (51, 51)
    ends = await ledger.log.ends()
    assert await seeded(ledger) == (0, [])
    assert await ledger.log.ends() == ends


async def test_seeding_that_was_interrupted_goes_on_where_it_was(ledger: Ledger) -> None:
    class PowerCut(Exception):
        pass

    def cut(done: int, _: int) -> None:
        if done == 7:
            raise PowerCut

    with pytest.raises(ExceptionGroup):
        await seed(ledger, cut)
    added, told = await seeded(ledger)
    assert (added, told[-1]) == (51, (51, 51))
    ids = await account_ids(ledger)
    assert len(ids) == len(set(ids)) == 51


def test_the_sample_accounts_are_of_every_kind_that_the_portal_must_deal_with() -> None:
    everything = companies(datetime(2026, 3, 31, 12, tzinfo=UTC))
    products = {start.product for company in everything for start in company.subscriptions}
    assert set(Product) < products, "all five, and some that seats can't be added to"
    assert len({company.opening.country for company in everything}) >= 12
    assert len({company.opening.number for company in everything}) == len(everything)
    assert len({company.login for company in everything}) == len(everything)
    assert sum(company.card is None for company in everything) >= 3
    assert {company.restriction for company in everything} > {None, RestrictionReason.INVOICE_BILLING}
    origins = [company.open_quote for company in everything]
    assert origins.count(QuoteOrigin.SALES_REP) >= 3
    assert origins.count(QuoteOrigin.SELF_SERVICE) >= 2
    for company in everything:
        vat_id = company.opening.vat_id
        assert vat_id is None or StdnumVatIds().country_of(vat_id) == company.opening.country
        assert company.opening.billing_contact.email.isascii()


@pytest.mark.parametrize("hour", [0, 12, 22, 23])
def test_the_first_account_has_302_of_365_days_left_at_any_hour(hour: int) -> None:
    at = datetime(2026, 3, 28, hour, 30, tzinfo=UTC)  # the night in which Germany's summer time begins
    first = companies(at)[0].subscriptions[0]
    today = at.astimezone(ZoneInfo("Europe/Berlin")).date()
    assert ((first.term_end - today).days, (first.term_end - first.term_start).days) == (302, 365)


async def test_every_page_is_shown_before_anything_has_happened(app: FastAPI) -> None:
    async with client(app) as browser:
        for path in ("/", "/sandbox/inbox", "/sandbox/books"):
            shown = await browser.get(path)
            assert shown.status_code == 200
            assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
            assert shown.headers["Cache-Control"] == "no-store"
        for path in ("/sandbox/inbox/1", "/sandbox/inbox/1/raw", "/sandbox/token/nobody", "/sandbox/assets/nothing"):
            assert (await browser.get(path)).status_code == 404
        for path in ("/sandbox/inbox/0", "/sandbox/inbox/x", f"/sandbox/inbox/{10**30}"):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.get("/sandbox/assets/sandbox.css")).headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize(
    "path", ["/", "/sandbox/people", "/sandbox/token/anna.weber", "/sandbox/inbox.json", "/sandbox/script"]
)
@pytest.mark.parametrize(
    ("host", "source"),
    [("evil.example", "127.0.0.1"), ("192.0.2.7", "127.0.0.1"), ("localhost", "192.0.2.7"), ("localhost", "nowhere")],
)
async def test_another_machine_and_another_name_get_nothing(app: FastAPI, path: str, host: str, source: str) -> None:
    async with client(app, host, source) as browser:
        refused = await browser.get(path)
    assert refused.status_code == 403
    assert "this machine only" in refused.json()["title"]


async def test_mail_is_shown_without_the_right_to_do_anything(ledger: Ledger, app: FastAPI) -> None:
    mail = Mail("a@seatledger.example", "anna@example.org", ATTACK, f"Text {ATTACK}", f"<p>Grüße</p>{ATTACK}", "de")
    await ledger.sandbox.mailer.send(mail)
    async with client(app) as browser:
        (heading,) = (await browser.get("/sandbox/inbox.json")).json()["messages"]
        assert (heading["subject"], heading["recipient"], heading["language"]) == (ATTACK, "anna@example.org", "de")
        for path in ("/sandbox/inbox", "/sandbox/inbox/1"):
            assert ATTACK not in (await browser.get(path)).text
        body = await browser.get("/sandbox/inbox/1/html")
        assert "<p>Grüße</p>" in body.text
        policy = body.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox allow-popups" in policy
        assert "script-src" not in policy
        raw = await browser.get("/sandbox/inbox/1/raw")
        assert (raw.headers["Content-Type"], raw.headers["X-Content-Type-Options"]) == ("message/rfc822", "nosniff")


async def test_the_api_contract_does_not_name_the_sandbox(app: FastAPI) -> None:
    async with client(app) as browser:
        assert not [path for path in (await browser.get("/openapi.json")).json()["paths"] if "sandbox" in path]


async def awaiting(ledger: Ledger) -> PaymentIntent:
    """A payment that its card's holder must confirm."""
    payments = ledger.sandbox.payments
    intent = await payments.create_intent(str(uuid4()), uuid4(), 1, 44898, "EUR", "tok_action_required")
    return await payments.confirm(intent.id)


async def test_the_cards_holder_confirms_at_the_page_that_the_payment_links_to(ledger: Ledger, app: FastAPI) -> None:
    intent = await awaiting(ledger)
    link = httpx2.URL(str(intent.action_url))
    assert (link.host, link.port) == ("localhost", 8080)
    async with client(app) as browser:
        asked = await browser.get(link.path)
        assert "€448.98" in asked.text
        assert "Confirm the payment</button>" in asked.text
        assert "form-action 'self'" in asked.headers["Content-Security-Policy"]
        done = await browser.post(f"{link.path}/confirm", headers={"Sec-Fetch-Site": "same-origin"})
        assert (done.status_code, done.headers["Location"]) == (303, link.path)
        assert "Held on your card" in (await browser.get(link.path)).text
        assert (await browser.post(f"{link.path}/confirm")).status_code == 303, "a second click is the same"
        assert (await browser.post(f"{link.path}/refuse")).status_code == 409
    assert (await ledger.sandbox.payments.retrieve(intent.id)).status is PaymentStatus.AUTHORISED


async def test_the_cards_holder_may_refuse(ledger: Ledger, app: FastAPI) -> None:
    intent = await awaiting(ledger)
    async with client(app) as browser:
        assert (await browser.post(f"/sandbox/bank/{intent.id}/refuse")).status_code == 303
        assert "Not paid" in (await browser.get(f"/sandbox/bank/{intent.id}")).text
        assert (await browser.post(f"/sandbox/bank/{intent.id}/confirm")).status_code == 409
    assert (await ledger.sandbox.payments.retrieve(intent.id)).status is PaymentStatus.DECLINED


async def test_another_site_can_not_confirm_and_an_unknown_payment_is_not_there(ledger: Ledger, app: FastAPI) -> None:
    intent = await awaiting(ledger)
    async with client(app) as browser:
        path = f"/sandbox/bank/{intent.id}/confirm"
        assert (await browser.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        unknown = f"/sandbox/bank/pi_{'0' * 24}"
        assert (await browser.get(unknown)).status_code == (await browser.post(f"{unknown}/confirm")).status_code == 404
        assert (await browser.get("/sandbox/bank/pi_1")).status_code == 404
    assert (await ledger.sandbox.payments.retrieve(intent.id)).status is PaymentStatus.ACTION_REQUIRED


async def test_the_script_is_planned_and_cleared_over_http(ledger: Ledger, app: FastAPI) -> None:
    async with client(app) as program:
        plan = {"point": "payments.card", "moment": "before", "behaviour": "timeout", "times": None}
        assert (await program.post("/sandbox/script", json=plan)).status_code == 204
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await ledger.sandbox.payments.card("tok_visa")
        assert (await program.delete("/sandbox/script/payments.card")).status_code == 204
        assert (await ledger.sandbox.payments.card("tok_visa")).last_four == "4242"
        once = {"point": "payments.card:tok_visa", "moment": "before", "behaviour": "unavailable"}
        assert (await program.post("/sandbox/script", json=once)).status_code == 204
        with pytest.raises(CounterpartyUnavailable):
            await ledger.sandbox.payments.card("tok_visa")
        assert (await ledger.sandbox.payments.card("tok_visa")).last_four == "4242"
        assert (await program.get("/sandbox/script")).json() == {"paused": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"point": "payments.steal"},
        {"behaviour": "explode"},
        {"moment": "meanwhile"},
        {"moment": "after"},
        {"times": 0},
        {"seconds": -1},
        {"more": 1},
    ],
)
async def test_what_can_not_be_planned_is_refused(app: FastAPI, wrong: dict[str, object]) -> None:
    plan = {"point": "payments.card", "moment": "before", "behaviour": "reject", **wrong}
    async with client(app) as program:
        assert (await program.post("/sandbox/script", json=plan)).status_code == 422
