"""What Corporate Account Services and sales do in the portal: each act says what will happen, and then does it."""

import asyncio
import re
from datetime import date, timedelta
from uuid import UUID

import pytest

from domain.envelope import Role
from domain.quote import QuoteOrigin
from tests.system.customers import ASSIST, LEGACY, LINDNER, MEETING, RESTRICTED, STRANGER, customers
from tests.system.test_portal_lists import SCRIPT, issued
from tests.system.test_portal_walk import BASE, PLACE, reviewed
from tests.system.visitors import Page, Portal, Visitor, portal_over

pytestmark = pytest.mark.system

SEATS, PRICE = f"seats-{MEETING}", f"price-{MEETING}"
CANCEL = "Bestellung stornieren"
RELEASE = "Sitze freigeben"
REVIEW_REFUND = "Zeigen, was geschieht"
RESEND = "Noch einmal senden"
CLOSE = "Erledigt: schließen"


@pytest.fixture
async def sabine(portal: Portal) -> Visitor:
    """Of Corporate Account Services."""
    return await portal.visitor("p-sabine", Role.ACCOUNT_SERVICES, ())


@pytest.fixture
async def joerg(portal: Portal) -> Visitor:
    """A sales representative for Lindner's territory."""
    return await portal.visitor("p-joerg", Role.SALES_REP, (), ("dach",))


async def placed(portal: Portal) -> UUID:
    """An order of Lindner's for three seats, placed by its admin."""
    order = await (anna := await portal.visitor()).press(await reviewed(anna), PLACE)
    return UUID(order.path.rpartition("/")[2].partition("?")[0])


# --- accounts ------------------------------------------------------------------------------------------------------


async def test_an_account_is_found_by_number_vat_id_and_territory(sabine: Visitor) -> None:
    everything = await sabine.get("/portal/accounts")
    assert all(f"A-{number}" in everything.text for number in (1, 2, 3, 4))
    found = await sabine.press(everything, "Suchen", named="a-2")
    assert f"/portal/accounts/{STRANGER}" in found.source
    assert str(LINDNER) not in found.source
    assert "A-1" in (await sabine.press(everything, "Suchen", named="DE136695976")).text
    assert "A-1" in (await sabine.press(everything, "Suchen", territory="DACH")).text
    nothing = await sabine.press(everything, "Suchen", named=SCRIPT)
    assert "kein passendes Konto" in nothing.text
    assert SCRIPT not in nothing.source


async def test_staff_read_a_customers_account_in_their_own_language(sabine: Visitor, portal: Portal) -> None:
    sabine.language = "en-GB"
    overview = await sabine.get(f"{BASE}/overview")
    assert overview.answer.headers["Content-Language"] == "en"
    assert "Subscriptions" in overview.text
    anna = await portal.visitor()
    anna.language = "en-GB"
    assert (await anna.get(f"{BASE}/subscriptions")).answer.headers["Content-Language"] == "de", "her company's choice"


async def test_a_representative_finds_nothing_outside_his_territory(portal: Portal) -> None:
    lars = await portal.visitor("p-lars", Role.SALES_REP, (), ("nordics",))
    page = await lars.get("/portal/accounts?named=A-1")
    assert "kein passendes Konto" in page.text
    assert (await lars.get(f"{BASE}/overview")).status == 404


async def test_the_overview_tells_who_it_is_what_waits_and_what_was_ordered(portal: Portal, sabine: Visitor) -> None:
    order = await placed(portal)
    await portal.caught_up()
    page = await sabine.get(BASE)
    assert page.path == f"{BASE}/overview"
    for text in ("Lindner & Söhne A-1 GmbH", "DE136695976", "Anna Weber", "Visa •••• 4242", "Es gibt nichts zu tun."):
        assert text in page.text
    assert f'href="/portal/orders/{order}/events"' in page.source
    assert f"{BASE}/offer" not in page.source, "only sales makes quotes"
    anna = await portal.visitor()
    assert (await anna.get(BASE)).path == f"{BASE}/subscriptions"


# --- who may order -------------------------------------------------------------------------------------------------


async def test_an_account_is_restricted_with_a_reason_that_its_admin_sees(portal: Portal, sabine: Visitor) -> None:
    asked = await sabine.get(f"{BASE}/eligibility")
    assert "Was geschehen wird" in asked.text
    page = await sabine.press(asked, "Speichern", choice="payment_dispute")
    assert "Nicht online" in page.text
    anna = await portal.visitor()
    assert "eine Zahlung ist strittig." in (await anna.get(f"{BASE}/subscriptions")).text
    again = await sabine.press(await sabine.get(f"{BASE}/eligibility"), "Speichern", choice="allowed")
    assert "Darf online bestellen" in again.text
    assert await portal.count("SelfServiceRestricted.v1") == 2, "the restricted account's and this one's"


async def test_who_may_order_is_not_changed_from_an_old_page_or_by_a_wrong_choice(sabine: Visitor) -> None:
    old = await sabine.get(f"{BASE}/eligibility")
    wrong = await sabine.press(old, "Speichern", choice=SCRIPT)
    assert wrong.status == 422
    assert 'id="choice-wrong"' in wrong.source
    assert SCRIPT not in wrong.source
    await sabine.press(await sabine.get(f"{BASE}/eligibility"), "Speichern", choice="payment_dispute")
    stale = await sabine.press(old, "Speichern", choice="invoice_billing")
    assert stale.status == 422
    assert "an anderer Stelle geändert" in stale.text
    assert "Nicht online" in (await sabine.press(stale, "Speichern")).text, "sent again it holds"


async def test_allowing_twice_is_one_fact(portal: Portal, sabine: Visitor) -> None:
    asked = await sabine.get(f"/portal/accounts/{RESTRICTED}/eligibility")
    for _ in range(2):
        assert (await sabine.press(asked, "Speichern", choice="allowed")).status == 200
    assert await portal.count("SelfServiceAllowed.v1") == 1


# --- a quote of sales ----------------------------------------------------------------------------------------------


async def offered(joerg: Visitor, **typed: str) -> Page:
    return await joerg.press(await joerg.get(f"{BASE}/offer"), "Preise zeigen", action="review", **typed)


async def test_a_representative_sees_the_prices_first_and_then_issues_them(portal: Portal, joerg: Visitor) -> None:
    until = (date.today() + timedelta(days=10)).isoformat()  # noqa: DTZ011 -- far enough from midnight
    shown = await offered(joerg, **{SEATS: "4", PRICE: "150,50"}, valid_until=until)
    assert "150,50" in shown.text
    assert "10 heute + 4 neu = 14" in shown.text
    assert await portal.count("QuoteIssued.v1") == 0
    quote = await joerg.press(shown, "Dieses Angebot ausstellen")
    twice = await joerg.press(shown, "Dieses Angebot ausstellen")
    assert quote.path.partition("?")[0] == twice.path.partition("?")[0]
    assert await portal.count("QuoteIssued.v1") == 1
    row = await portal.ledger.queries.quote(UUID(quote.path.rpartition("/")[2].partition("?")[0]))
    assert row
    assert (row.origin, row.lines[0].unit_price, row.lines[0].seats_to_add) == (QuoteOrigin.SALES_REP, 15050, 4)
    anna = await portal.visitor()
    assert "Von Ihrem Vertriebsmitarbeiter erstellt" in (await anna.get(f"{BASE}/quotes")).text


async def test_only_what_takes_seats_is_offered(joerg: Visitor) -> None:
    page = await joerg.get(f"{BASE}/offer")
    assert f"seats-{LEGACY}" not in page.source
    assert f"seats-{ASSIST}" in page.source


@pytest.mark.parametrize(
    ("field", "typed", "text"),
    [
        (SEATS, "", "für mindestens ein Abonnement Sitze"),
        (SEATS, "0", "eine ganze Zahl von 1 bis"),
        (SEATS, "1.5", "eine ganze Zahl von 1 bis"),
        (SEATS, "10001", "eine ganze Zahl von 1 bis"),
        (SEATS, SCRIPT, "eine ganze Zahl von 1 bis"),
        (PRICE, "15.0.0", "Preis je Sitz und Laufzeit"),
        (PRICE, "-1", "Preis je Sitz und Laufzeit"),
        (PRICE, "1,005", "Preis je Sitz und Laufzeit"),
        (PRICE, "9" * 18, "Preis je Sitz und Laufzeit"),
        ("valid_until", "morgen", "den letzten Tag ein"),
        ("valid_until", "9999-12-31", "den letzten Tag ein"),
    ],
)
async def test_each_wrong_field_of_a_quote_is_told_beside_it(
    portal: Portal, joerg: Visitor, field: str, typed: str, text: str
) -> None:
    page = await offered(joerg, **{SEATS: "4", field: typed})
    assert page.status == 422
    assert f'id="{field}-wrong"' in page.source
    assert text in page.text
    assert page.form("Preise zeigen").fields[field] == typed
    assert SCRIPT not in page.source
    assert await portal.count("QuoteIssued.v1") == 0


async def test_a_quote_can_not_end_in_the_past(portal: Portal, joerg: Visitor) -> None:
    shown = await offered(joerg, **{SEATS: "4"}, valid_until="2026-01-01")
    page = await joerg.press(shown, "Dieses Angebot ausstellen")
    assert page.status == 422
    assert "nicht in der Vergangenheit enden" in page.text
    assert await portal.count("QuoteIssued.v1") == 0


async def test_a_representatives_quote_expires_only_if_that_is_acknowledged(portal: Portal, joerg: Visitor) -> None:
    before = await issued(portal, by_rep=True)
    page = await offered(joerg, **{SEATS: "4"})
    assert page.status == 422
    assert 'id="acknowledge-wrong"' in page.source
    shown = await joerg.press(page, "Preise zeigen", action="review", acknowledge="yes")
    quote = await joerg.press(shown, "Dieses Angebot ausstellen")
    assert quote.status == 200
    row = await portal.ledger.queries.quote(before)
    assert row
    assert row.state == "ExpiredBySupersession"


async def test_a_quote_made_on_an_old_page_replaces_nothing(portal: Portal, joerg: Visitor) -> None:
    shown = await offered(joerg, **{SEATS: "4"})
    await issued(portal, ASSIST, 2)
    page = await joerg.press(shown, "Dieses Angebot ausstellen")
    assert page.status == 422
    assert "ein anderes Angebot eröffnet oder geschlossen" in page.text
    assert page.form("Dieses Angebot ausstellen").fields[SEATS] == "4"
    assert await portal.count("QuoteIssued.v1") == 1


async def test_a_quote_is_never_issued_with_fewer_lines_than_were_shown(portal: Portal, joerg: Visitor) -> None:
    shown = await offered(joerg, **{SEATS: "4", f"seats-{ASSIST}": "2"})
    await placed(portal)  # seats of the first are on order now
    page = await joerg.press(shown, "Dieses Angebot ausstellen")
    assert page.status == 422
    assert "Es entfällt; bitte prüfen Sie die übrigen." in page.text
    assert await portal.count("QuoteIssued.v1") == 1
    again = await joerg.press(page, "Preise zeigen", action="review", replaces=SCRIPT)
    assert "10 heute + 2 neu = 12" in again.text
    assert (await joerg.press(again, "Dieses Angebot ausstellen")).status == 200


# --- orders --------------------------------------------------------------------------------------------------------


async def test_every_event_of_an_order_is_there_once_with_what_caused_it(ledger_url: str) -> None:
    await customers(ledger_url)
    async with portal_over(ledger_url, with_workers=True) as portal:
        order = await placed(portal)
        sabine = await portal.visitor("p-sabine", Role.ACCOUNT_SERVICES, ())
        page = await until(sabine, f"/portal/orders/{order}/events", "Die Quittung wurde per E-Mail gesendet.")
        assert page.status == 200
        topics = re.findall(r"<code>(\w+\.v1)</code>", page.source)
        for topic in (
            "QuoteIssued.v1",
            "OrderPlaced.v1",
            "PaymentCaptured.v1",
            "SeatsProvisioned.v1",
            "ReceiptSent.v1",
        ):
            assert topics.count(topic) == 1, topic
        anchors = set(re.findall(r'id="(e\d+)"', page.source))
        assert set(re.findall(r'href="#(e\d+)"', page.source)) <= anchors
        assert "Wegen: Die Service-Bestellung wurde aufgegeben." in page.text
        assert "jonas.keller" not in page.source, "events have no personal data"
        await refunds(portal, sabine, order)
        await resends(portal, sabine, order)


async def until(visitor: Visitor, path: str, text: str) -> Page:
    for _ in range(400):
        page = await visitor.get(path)
        if text in page.text:
            break
        await asyncio.sleep(0.05)
    assert text in page.text
    return page


async def refunds(portal: Portal, sabine: Visitor, order: UUID) -> None:
    asked = await sabine.get(f"/portal/orders/{order}/refund")
    for typed, field in (({"amount": "0", "reason": "goodwill"}, "amount"), ({"reason": "why not"}, "reason")):
        wrong = await sabine.press(asked, REVIEW_REFUND, **typed)
        assert wrong.status == 422
        assert f'id="{field}-wrong"' in wrong.source
    shown = await sabine.press(asked, REVIEW_REFUND, amount="100,00", reason="goodwill")
    assert "100,00 € werden der Karte gutgeschrieben." in shown.text
    assert await portal.count("RefundRequested.v1") == 0
    for _ in range(2):
        page = await sabine.press(shown, "100,00 € erstatten")
        assert page.path.startswith(f"/portal/orders/{order}/events")
    assert await portal.count("RefundRequested.v1") == 1
    await until(sabine, f"/portal/orders/{order}/events", "Geld wurde auf die Karte erstattet.")


async def resends(portal: Portal, sabine: Visitor, order: UUID) -> None:
    asked = await sabine.get(f"/portal/orders/{order}/resend")
    assert "Anna Weber, anna@a-1.example" in asked.text
    assert await portal.count("ReceiptResendRequested.v1") == 0
    assert (await sabine.press(asked, RESEND)).status == 200
    assert await portal.count("ReceiptResendRequested.v1") == 1


async def test_cancelling_and_releasing_say_first_what_will_happen(portal: Portal, sabine: Visitor) -> None:
    order = await placed(portal)
    asked = await sabine.get(f"/portal/orders/{order}/cancel")
    assert "3 neue Sitze für GoTo Meeting (S-1): storniert, nicht berechnet" in asked.text
    assert "Von der Karte wird nichts abgebucht." in asked.text
    wrong = await sabine.press(asked, CANCEL)
    assert wrong.status == 422
    assert 'id="reason-wrong"' in wrong.source
    assert await portal.count("OrderCancellationRequested.v1") == 0
    for _ in range(2):
        assert (await sabine.press(wrong, CANCEL, reason="duplicate")).status == 200
    assert await portal.count("OrderCancellationRequested.v1") == 1
    release = await sabine.get(f"/portal/orders/{order}/release")
    assert "Auf diese Sitze wartet niemand mehr" in release.text
    wrong = await sabine.press(release, RELEASE, line=str(ASSIST))
    assert wrong.status == 422
    assert 'id="line-wrong"' in wrong.source
    assert (await sabine.press(release, RELEASE, line=str(MEETING))).status == 200
    assert await portal.count("OrderLineRejected.v1") == 1


@pytest.mark.parametrize("act", ["release", "refund", "resend"])
async def test_what_is_not_possible_now_is_said_and_can_not_be_sent(portal: Portal, sabine: Visitor, act: str) -> None:
    order = await placed(portal)
    page = await sabine.get(f"/portal/orders/{order}/{act}")
    assert "Das ist jetzt nicht möglich" in page.text
    assert not [form for form in page.forms if form.action.endswith(act)]
    events = await sabine.get(f"/portal/orders/{order}/events")
    assert f"/{act}" not in events.source
    assert f"/portal/orders/{order}/cancel" in events.source


async def test_an_order_that_moved_on_meanwhile_is_not_acted_upon(portal: Portal, sabine: Visitor) -> None:
    order = await placed(portal)
    asked, other = [await sabine.get(f"/portal/orders/{order}/release") for _ in range(2)]
    assert asked.text == other.text
    form = (await sabine.get(f"/portal/orders/{order}/cancel")).form(CANCEL)
    fields = {**form.fields, "line": str(MEETING)}
    page = await sabine.post(f"/portal/orders/{order}/release", fields)
    assert page.status == 422
    assert "Das ist jetzt nicht möglich" in page.text
    assert await portal.count("OrderLineRejected.v1") == 0


async def test_each_role_is_offered_what_it_may_do_and_nothing_else(portal: Portal) -> None:
    order = await placed(portal)
    for role, offered_to_it in ((Role.FINANCE, False), (Role.INVESTIGATOR, False), (Role.ACCOUNT_SERVICES, True)):
        visitor = await portal.visitor(f"p-{role}", role, ())
        page = await visitor.get(f"/portal/orders/{order}/events")
        assert (f"/portal/orders/{order}/cancel" in page.source) is offered_to_it, role
        overview = await visitor.get(f"{BASE}/overview")
        assert (f"{BASE}/eligibility" in overview.source) is offered_to_it, role
        assert ("/portal/care" in overview.source) is offered_to_it, role


# --- the care list -------------------------------------------------------------------------------------------------


async def test_the_care_list_says_what_happened_since_when_and_what_to_do(portal: Portal, sabine: Visitor) -> None:
    assert "Es gibt nichts zu tun." in (await sabine.get("/portal/care")).text
    order = await placed(portal)
    await sabine.press(await sabine.get(f"/portal/orders/{order}/cancel"), CANCEL, reason="duplicate")
    await sabine.press(await sabine.get(f"/portal/orders/{order}/release"), RELEASE, line=str(MEETING))
    page = await until(sabine, "/portal/care", "Sitze abgelehnt")
    assert "Das Bereitstellungssystem hat Sitze abgelehnt" in page.text
    assert "Zu tun: Den Grund herausfinden" in page.text
    assert "seit" in page.text
    assert "Sitze abgelehnt" in (await sabine.get(f"{BASE}/overview")).text
    close = re.findall(r'href="([^"]+/care/[^"]+/close)"', page.source)[0]
    asked = await sabine.get(close)
    assert "Sonst ändert sich nichts" in asked.text
    for _ in range(2):
        done = await sabine.press(asked, CLOSE)
        assert "Corporate Account Services hat sich um eine Sache dieser Bestellung gekümmert." in done.text
    assert await portal.count("CareEntryClosed.v1") == 1
    for _ in range(100):
        if "Es gibt nichts zu tun." in (await sabine.get("/portal/care")).text:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the entry is still there")


async def test_an_operator_sees_the_list_and_can_not_close_an_entry(portal: Portal, sabine: Visitor) -> None:
    order = await placed(portal)
    await sabine.press(await sabine.get(f"/portal/orders/{order}/cancel"), CANCEL, reason="duplicate")
    await sabine.press(await sabine.get(f"/portal/orders/{order}/release"), RELEASE, line=str(MEETING))
    max_operator = await portal.visitor("p-max", Role.OPERATOR, ())
    page = await until(max_operator, "/portal/care", "Sitze abgelehnt")
    assert "/close" not in page.source
    assert (await max_operator.get(f"/portal/orders/{order}/care/seats_rejected/close")).status == 403
    assert (await sabine.get(f"/portal/orders/{order}/care/nonsense/close")).status == 404
