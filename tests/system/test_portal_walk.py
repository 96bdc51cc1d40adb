"""Buying seats in the portal, step by step, in a browser without script."""

import asyncio
import hashlib
import re

import pytest

from adapters.clock import MovableClock
from adapters.http.portal.words import LANGUAGE
from domain.order import ServiceOrder
from services.vault_records import ReviewedPage
from tests.system.customers import ASSIST, LINDNER, MEETING, customers
from tests.system.visitors import Page, Portal, Visitor, portal_over, unescaped

pytestmark = pytest.mark.system

BASE = f"/portal/accounts/{LINDNER}"
SEATS = f"seats-{MEETING}"
SAVE = "Warenkorb speichern und Überprüfen"
TO_PAYMENT = "Fortfahren zur Zahlung"
TO_ORDER = "Speichern und Fortfahren zum Serviceauftrag"
PLACE = "Service-Bestellung aufgeben"
JONAS = {"name": "Jonas Keller", "email": "jonas.keller@lindner.example"}


async def cart_with(anna: Visitor, seats: str = "3") -> Page:
    return await anna.get(f"{BASE}/cart?{SEATS}={seats}")


async def quoted(anna: Visitor) -> Page:
    return await anna.press(await cart_with(anna), SAVE)


async def reviewed(anna: Visitor) -> Page:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    return await anna.press(payment, TO_ORDER, action="save", **JONAS)


async def test_the_steps_of_the_help_article_lead_to_seats_and_a_receipt(ledger_url: str) -> None:
    await customers(ledger_url)
    async with portal_over(ledger_url, with_workers=True) as portal:
        anna = await portal.visitor()
        subscriptions = await anna.get("/portal")
        assert subscriptions.path == f"{BASE}/subscriptions"
        assert all(label in subscriptions.text for label in ("Abonnements", "Angebote", "Sitze hinzufügen"))
        cart = await cart_with(anna, "")
        assert "New Seat Qty" in cart.text
        cart = await anna.press(cart, "In den Warenkorb legen", another=str(ASSIST), **{SEATS: "3"})
        cart = await anna.press(cart, "Preise aktualisieren", action="price", **{f"seats-{ASSIST}": "1"})
        assert "10 heute + 3 neu = 13" in cart.text
        assert "10 heute + 1 neu = 11" in cart.text
        [total] = re.findall(r'data-sum="gross">([^<]+)<', cart.source)
        quote = await anna.press(cart, SAVE, action="save")
        assert f"Gesamt {' '.join(total.split())}" in quote.text, "the quote has the price of the cart"
        payment = await anna.press(quote, TO_PAYMENT)
        assert all(label in payment.text for label in ("Administratorkontakt", "Zahlungsweise", "Rechnungsadresse"))
        review = await anna.press(payment, TO_ORDER, action="save", **JONAS)
        assert "Jonas Keller, jonas.keller@lindner.example" in review.text
        order = await anna.press(review, PLACE, po_number="PO-2026-0815")
        for _ in range(200):
            if "Quittung an Ihren Rechnungskontakt gesendet (erledigt)" in order.text:
                break
            await asyncio.sleep(0.05)
            order = await anna.get(order.path.partition("?")[0])
        assert "Abgeschlossen" in order.text
        assert order.text.count("bereit zur Nutzung") == 2
        assert "PO-2026-0815" in order.text
        receipt = await anna.get(re.findall(r'href="([^"]+/receipt)"', order.source)[0])
        assert "Quittung" in receipt.text
        assert "sandbox" in receipt.answer.headers["Content-Security-Policy"]
        [mail] = await portal.ledger.sandbox.mailer.messages()
        assert mail.recipient == "anna@a-1.example"


async def test_the_same_walk_speaks_english(anna: Visitor) -> None:
    anna.cookies[LANGUAGE] = "en"
    quote = await anna.press(await cart_with(anna), "Save Cart and Review")
    assert "10 today + 3 new = 13" in quote.text
    review = await anna.press(await anna.press(quote, "Proceed to Payment"), "Save and Proceed to Service Order")
    order = await anna.press(review, "Place Service Order")
    assert "Status of your order" in order.text
    assert 'lang="en"' in order.source


async def test_what_the_reviewer_saw_is_kept_byte_for_byte_and_the_order_carries_its_hash(
    portal: Portal, anna: Visitor
) -> None:
    review = await reviewed(anna)
    await anna.press(review, PLACE)
    [placed] = await _placed(portal)
    assert placed.page is not None
    kept = (await portal.ledger.vault.read([placed.page]))[placed.page]
    assert isinstance(kept, ReviewedPage)
    assert kept.html in review.source
    assert placed.page_digest == hashlib.sha256(kept.html.encode()).hexdigest()
    assert "csrf_token" not in kept.html


async def _placed(portal: Portal) -> list[ServiceOrder.OrderPlaced]:
    async with portal.ledger.pool.connection() as connection:
        query = "SELECT originator_id FROM ledger.events WHERE topic = 'OrderPlaced.v1'"
        rows = await (await connection.execute(query)).fetchall()
    events = [each for (id,) in rows for each in await portal.ledger.events.history(id, 100)]
    return [each for each in events if isinstance(each, ServiceOrder.OrderPlaced)]


async def test_a_review_that_has_changed_is_shown_again_and_not_placed(portal: Portal, anna: Visitor) -> None:
    review = await reviewed(anna)
    elsewhere = await anna.get(f"/portal/quotes/{_quote_in(review)}/payment")
    await anna.press(elsewhere, TO_ORDER, action="save", city="Bonn", **JONAS)
    again = await anna.press(review, PLACE, po_number="PO-1")
    assert again.status == 409
    assert "hat sich geändert, seit Sie sie überprüft haben" in again.text
    assert "50674 Bonn" in again.text
    assert again.form(PLACE).fields["po_number"] == "PO-1"
    assert await portal.count("OrderPlaced.v1") == 0
    await anna.press(again, PLACE)
    assert await portal.count("OrderPlaced.v1") == 1


def _quote_in(page: Page) -> str:
    found = re.search(r"/portal/quotes/([0-9a-f-]{36})/payment", page.source)
    assert found
    return found[1]


async def test_each_form_sent_twice_or_thrice_has_one_effect(portal: Portal, anna: Visitor) -> None:
    cart = await cart_with(anna)
    pages = await asyncio.gather(*(anna.press(cart, SAVE, action="save") for _ in range(3)))
    quotes = {page.path.partition("?")[0] for page in pages}
    assert len(quotes) == 1, [page.text for page in pages]
    payments = await asyncio.gather(*(anna.press(pages[0], TO_PAYMENT) for _ in range(3)))
    assert {page.status for page in payments} == {200}
    reviews = await asyncio.gather(*(anna.press(payments[0], TO_ORDER, action="save", **JONAS) for _ in range(3)))
    assert {page.status for page in reviews} == {200}, [page.text for page in reviews]
    orders = await asyncio.gather(*(anna.press(reviews[0], PLACE) for _ in range(3)))
    assert {page.status for page in orders} == {200}, [page.text for page in orders]
    assert "aufgegeben" in (await anna.press(reviews[0], PLACE)).text.lower(), "sent again later"
    counts = [await portal.count(f"{name}.v1") for name in ("QuoteIssued", "OrderDetailsChanged", "OrderPlaced")]
    assert counts == [1, 1, 1]


async def test_the_back_button_and_other_entries_are_said_and_not_done_twice(portal: Portal, anna: Visitor) -> None:
    cart = await cart_with(anna)
    await anna.press(cart, SAVE, action="save")
    again = await anna.press(cart, SAVE, action="save", **{SEATS: "5"})
    assert again.status == 422
    assert again.form(SAVE).fields[SEATS] == "5", "what was typed is kept"
    assert "schon mit anderen Angaben abgesendet" in again.text
    assert await portal.count("QuoteIssued.v1") == 1


async def test_an_open_quote_is_shown_before_it_is_lost(portal: Portal, anna: Visitor) -> None:
    first = await quoted(anna)
    number = re.findall(r"Q-[0-9A-Z]{5}-[0-9A-Z]{5}", first.text)[0]
    cart = await cart_with(anna, "5")
    assert f"endet Angebot {number} sofort" in cart.text
    second = await anna.press(cart, SAVE, action="save")
    assert second.status == 200
    old = await anna.get(first.path)
    assert "Ersetzt" in old.text
    assert second.path.partition("?")[0] in old.source, "by what"
    assert await portal.count("QuoteExpiredBySupersession.v1") == 1


async def test_the_prices_that_script_asks_for_are_those_of_the_quote(anna: Visitor) -> None:
    cart = await cart_with(anna, "3")
    fields = {**cart.form(SAVE).fields, f"seats-{ASSIST}": "2"}
    prices = (await anna.post(f"{BASE}/cart/prices", fields)).answer.json()
    wrong = (await anna.post(f"{BASE}/cart/prices", {**fields, SEATS: "0"})).answer.json()
    assert set(wrong["lines"]) == {str(ASSIST)}
    assert SEATS in wrong["complaints"]
    assert (await anna.post(f"{BASE}/cart/prices", {SEATS: ""})).answer.json() == {"lines": {}, "complaints": {}}
    quote = await anna.post(cart.form(SAVE).action, {**fields, "action": "save"})
    for amount in (*prices["lines"].values(), *prices["sums"].values()):
        assert amount in quote.source


async def test_a_line_taken_out_of_the_cart_is_gone_and_the_others_stay(anna: Visitor) -> None:
    cart = await anna.get(f"{BASE}/cart?{SEATS}=3&seats-{ASSIST}=2")
    less = await anna.post(cart.form(SAVE).action, {**cart.form(SAVE).fields, "action": f"remove {ASSIST}"})
    assert SEATS in less.form(SAVE).fields
    assert f"seats-{ASSIST}" not in less.form(SAVE).fields
    same = await anna.post(cart.form(SAVE).action, {**cart.form(SAVE).fields, "action": "remove nothing"})
    assert f"seats-{ASSIST}" in same.form(SAVE).fields


async def test_steps_that_come_too_early_or_too_late_lead_to_where_the_order_is(anna: Visitor) -> None:
    quote = await quoted(anna)
    address = quote.path.partition("?")[0]
    assert (await anna.get(f"{address}/payment")).path == address, "nothing is prepared yet"
    assert (await anna.post(f"{address}/payment", {})).path == address
    review = await anna.press(await anna.press(quote, TO_PAYMENT), TO_ORDER, **JONAS)
    order = review.path.partition("/review")[0]
    assert "Mit dieser Bestellung weitermachen" in (await anna.get(order)).text
    assert (await anna.get(f"{order}/pay")).path == order, "there is nothing to pay again"
    assert (await anna.get(f"{order}/receipt")).status == 404
    await anna.press(review, PLACE)
    assert (await anna.get(review.path)).path == order
    assert (await anna.get(f"{address}/payment")).path == order
    assert "Angenommen" in (await anna.get(address)).text


async def test_a_quote_whose_time_is_over_says_so_before_anybody_has_noted_it(portal: Portal, anna: Visitor) -> None:
    quote = await quoted(anna)
    review = await anna.press(await anna.press(quote, TO_PAYMENT), TO_ORDER, **JONAS)
    assert isinstance(portal.ledger.clock, MovableClock)
    await portal.ledger.clock.move(31 * 86400)
    assert "Abgelaufen" in (await anna.get(quote.path)).text
    late = await anna.get(review.path)
    assert late.status == 409
    assert "Speichern Sie den Warenkorb noch einmal" in late.text
    assert (await anna.press(review, PLACE)).status == 409
    assert await portal.count("OrderPlaced.v1") == 0


async def test_the_receipt_is_sent_again_on_request(ledger_url: str) -> None:
    await customers(ledger_url)
    async with portal_over(ledger_url, with_workers=True) as portal:
        anna = await portal.visitor()
        order = await anna.press(await reviewed(anna), PLACE)
        await _until(anna, order, "Rechnungskontakt gesendet (erledigt)")
        done = await anna.get(order.path.partition("?")[0])
        assert "Als PDF speichern" in done.text
        saved = (await anna.get(f"{done.path}/receipt.pdf")).answer
        assert (saved.status_code, saved.headers["Content-Type"]) == (200, "application/pdf")
        assert re.fullmatch(r'attachment; filename="SL-DE-\d{4}-000001.pdf"', saved.headers["Content-Disposition"])
        assert saved.content.startswith(b"%PDF-")
        again = await anna.press(done, "Quittung noch einmal senden")
        assert again.status == 200
        await _until(anna, again, "Rechnungskontakt gesendet (erledigt)")
        assert await portal.count("ReceiptSent.v1") == 2
        draft = await reviewed(anna)
        refused = await anna.post(f"{draft.path.partition('/review')[0]}/receipt", done.form("Abmelden").fields)
        assert refused.status in {409, 422}


async def test_a_cart_from_before_another_quote_was_opened_says_so(anna: Visitor) -> None:
    old = await cart_with(anna, "4")
    await quoted(anna)
    told = await anna.press(old, SAVE, action="save")
    assert told.status == 422
    assert "ein anderes Angebot eröffnet oder geschlossen" in told.text
    assert "Ihr offenes Angebot würde verfallen" in told.text
    assert told.form(SAVE).fields[SEATS] == "4"
    assert (await anna.press(told, SAVE, action="save")).path.startswith("/portal/quotes/")


async def test_a_quote_replaced_while_it_was_read_says_by_what(anna: Visitor) -> None:
    old = await quoted(anna)
    new = await anna.press(await cart_with(anna, "5"), SAVE, action="save")
    told = await anna.press(old, TO_PAYMENT)
    assert told.status == 409
    assert "Dieses Angebot ist nicht mehr offen" in told.text
    assert new.path.partition("?")[0] in told.source


async def test_a_card_comes_back_from_the_gateway_as_a_token_and_what_was_typed_is_kept(
    portal: Portal, anna: Visitor
) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    gateway = await anna.press(payment, "Andere Karte eingeben", action="card", city="Bonn", **JONAS)
    assert gateway.path.startswith("/sandbox/gateway/card")
    back = await anna.press(gateway, "Use this card", card="tok_mastercard")
    assert "Mastercard •••• 4444" in back.text
    assert back.form(TO_ORDER).fields["city"] == "Bonn"
    assert back.form(TO_ORDER).fields["email"] == JONAS["email"]
    review = await anna.press(back, TO_ORDER, action="save")
    assert "Mastercard •••• 4444" in review.text
    assert await portal.count("PaymentMethodSelected.v1") == 4 - 1, "the account's own card is as it was"


async def test_a_card_for_a_cart_keeps_the_cart(ledger_url: str) -> None:
    await customers(ledger_url, card=None)
    async with portal_over(ledger_url) as portal:
        anna = await portal.visitor()
        gateway = await anna.press(await cart_with(anna, "7"), "Zahlungsweise hinterlegen", **{SEATS: "nine"})
        entered = await anna.press(gateway, "Use this card", card="tok_visa")
        assert "Visa •••• 4242" in entered.text
        saved = await anna.press(entered, "Diese Karte speichern")
        [back] = re.findall(r'href="([^"]+)">Zurück zum Warenkorb<', saved.source)
        cart = await anna.get(unescaped(back))
        assert cart.form(SAVE).fields[SEATS] == "nine"
        assert "Zahlungsweise hinterlegen" not in cart.text
        assert (await anna.press(cart, SAVE, **{SEATS: "9"})).path.startswith("/portal/quotes/")


async def test_a_declined_card_is_followed_by_another_one(ledger_url: str) -> None:
    await customers(ledger_url, card="tok_insufficient_funds")
    async with portal_over(ledger_url, with_workers=True) as portal:
        anna = await portal.visitor()
        order = await anna.press(await reviewed(anna), PLACE)
        order = await _until(anna, order, "Karte abgelehnt")
        assert "Die Karte ist nicht ausreichend gedeckt." in order.text
        gateway = await anna.press(order, "Andere Karte eingeben")
        paying = await anna.press(gateway, "Use this card", card="tok_visa")
        assert "Visa •••• 4242" in paying.text
        pages = await asyncio.gather(*(anna.press(paying, "Jetzt bezahlen") for _ in range(2)))
        assert {page.status for page in pages} == {200}, [page.text for page in pages]
        await _until(anna, pages[0], "Abgeschlossen")
        assert await portal.count("PaymentCaptured.v1") == 1


async def test_a_bank_that_asks_first_has_a_link_on_the_page(ledger_url: str) -> None:
    await customers(ledger_url, card="tok_action_required")
    async with portal_over(ledger_url, with_workers=True) as portal:
        anna = await portal.visitor()
        order = await _until(anna, await anna.press(await reviewed(anna), PLACE), "Zahlung bestätigen")
        [link] = re.findall(r'href="http://localhost:8080(/sandbox/bank/[^"]+)"', order.source)
        await anna.press(await anna.get(link), "Confirm the payment")
        await _until(anna, order, "Abgeschlossen")


async def _until(anna: Visitor, page: Page, words: str) -> Page:
    for _ in range(300):
        if words in page.text:
            return page
        await asyncio.sleep(0.05)
        page = await anna.get(page.path.partition("?")[0])
    raise AssertionError(page.text)


async def test_progress_comes_as_events_until_it_is_over(ledger_url: str) -> None:
    await customers(ledger_url)
    async with portal_over(ledger_url, with_workers=True) as portal:
        anna = await portal.visitor()
        order = await anna.press(await reviewed(anna), PLACE)
        told = await anna.get(f"{order.path.partition('?')[0]}/progress")
        assert told.answer.headers["Content-Type"].startswith("text/event-stream")
        assert told.source.endswith("event: over\ndata:\n\n")
        versions = [int(each) for each in re.findall(r"^id: (\d+)$", told.source, re.MULTILINE)]
        assert versions == sorted(set(versions))
        assert "Abgeschlossen" in told.source.rpartition("event: progress")[2]
