"""Every field of the portal wrong in turn: said beside it in the reader's language, and nothing typed is lost."""

import re
from html import escape

import pytest

from adapters.http.signing_in.session import SESSION
from domain.envelope import Role
from tests.system.customers import CARDLESS, LEGACY, LINDNER, MEETING, RESTRICTED
from tests.system.test_portal_walk import BASE, JONAS, PLACE, SAVE, SEATS, TO_ORDER, TO_PAYMENT, quoted, reviewed
from tests.system.visitors import Page, Portal, Visitor

pytestmark = pytest.mark.system

CARD = "4111 1111 1111 1111"
SCRIPT = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;{{7*7}}"


def said_beside(page: Page, field: str) -> str:
    """The message at a field, which the summary has, too, and leads to the field."""
    [message] = re.findall(rf'id="{field}-wrong"><span class="unseen">[^<]*</span> ([^<]+)</p>', page.source)
    assert f'<a href="#{field}">{message}</a>' in page.source
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page.source)
    assert 'role="alert" tabindex="-1" autofocus' in page.source
    return str(message).strip()


QUANTITIES = ["", " ", "0", "-1", "1.5", "1,5", "three", "10001", "999999999", "1e3", "\u0663", CARD, SCRIPT]


async def test_a_quantity_that_is_none_is_said_at_its_field(portal: Portal, anna: Visitor) -> None:
    cart = await anna.get(f"{BASE}/cart?{SEATS}=")
    for seats in QUANTITIES:
        told = await anna.press(cart, SAVE, **{SEATS: seats})
        assert told.status == 422
        assert "eine ganze Zahl von 1 bis 10.000" in said_beside(told, SEATS), seats
        assert told.form(SAVE).fields[SEATS] == seats
        assert told.source.count("<script") == 1, "the page's own"
    assert await portal.count("QuoteIssued.v1") == 0


async def test_one_wrong_line_leaves_the_others_with_their_price(anna: Visitor) -> None:
    cart = await anna.get(f"{BASE}/cart?{SEATS}=2&seats-{LEGACY}=1&seats-not-an-id=1")
    told = await anna.press(cart, SAVE)
    assert told.status == 422
    assert "Für dieses Produkt können online keine Sitze hinzugefügt werden" in said_beside(told, f"seats-{LEGACY}")
    assert "10 heute + 2 neu = 12" in told.text


WRONG = {
    "name": (["x" * 201, "two\nlines"], "Geben Sie einen Namen"),
    "email": (["jonas", "jonas@", "jonas@lindner", "a b@c.example", "x" * 255 + "@a.example"], "E-Mail-Adresse"),
    "phone": (["0221 555", "+1", "+49 221 (0) 5", "call me"], "mit Ländervorwahl"),
    "street": (["", "x" * 201], "Straße und Hausnummer"),
    "postal_code": (["", "x" * 17], "Postleitzahl"),
    "city": (["", "x" * 201], "Geben Sie den Ort ein"),
    "region": (["x" * 201], "Region"),
}


async def test_each_field_of_the_payment_page_wrong_in_turn(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    for field, text, words in ((field, text, words) for field, (texts, words) in WRONG.items() for text in texts):
        told = await anna.press(payment, TO_ORDER, **{**JONAS, "city": "Bonn", field: text})
        assert told.status == 422, text
        assert words in said_beside(told, field)
        kept = told.form(TO_ORDER).fields
        assert {**JONAS, "city": "Bonn", field: text} == {name: kept[name] for name in {*JONAS, "city", field}}
    assert await portal.count("OrderDetailsChanged.v1") == 0


async def test_a_card_number_in_a_field_is_refused_at_the_field(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    for field in ("name", "street", "city", "region", "postal_code"):
        told = await anna.press(payment, TO_ORDER, **{**JONAS, field: CARD.replace(" ", "")})
        assert "sieht wie eine Kartennummer aus" in said_beside(told, field)
    assert await portal.count("OrderDetailsChanged.v1") == 0


async def test_a_purchase_order_number_that_is_none_is_said_at_its_field(portal: Portal, anna: Visitor) -> None:
    review = await reviewed(anna)
    for text in ("x" * 201, CARD, "PO\n1"):
        told = await anna.press(review, PLACE, po_number=text)
        assert told.status == 409
        assert said_beside(told, "po_number")
        assert told.form(PLACE).fields["po_number"] == text
    assert await portal.count("OrderPlaced.v1") == 0


async def test_script_and_html_in_every_text_field_is_shown_as_text(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    texts = dict.fromkeys(("name", "street", "city", "region"), SCRIPT)
    review = await anna.press(payment, TO_ORDER, email=JONAS["email"], **texts)
    order = await anna.press(review, PLACE, po_number=SCRIPT)
    back = await anna.get(payment.path)
    assert "Bestellung O-" in back.text, "placed: there is nothing to pay twice"
    for page in (review, order):
        assert "<script>alert" not in page.source
        assert "<img src=x" not in page.source
        assert escape(SCRIPT).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.source
    assert await portal.count("OrderPlaced.v1") == 1


async def test_a_token_that_the_gateway_does_not_know_changes_nothing(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    for token in ["tok_unknown", "4111111111111111", "<b>"]:
        told = await anna.press(payment, TO_ORDER, card=token, **JONAS)
        assert told.status == 422
        assert told.form(TO_ORDER).fields["name"] == JONAS["name"]
        assert (await anna.get(f"{payment.path.partition('?')[0]}?card_token={token}")).status == 200
    assert await portal.count("OrderDetailsChanged.v1") == 0


async def test_a_page_of_an_earlier_version_says_so_and_keeps_what_was_typed(portal: Portal, anna: Visitor) -> None:
    old = await anna.press(await quoted(anna), TO_PAYMENT)
    await anna.press(old, TO_ORDER, city="Bonn", **JONAS)
    payment = await anna.get(old.path)
    assert payment.form(TO_ORDER).fields["city"] == "Bonn"
    stale = await anna.press(old, TO_ORDER, **(JONAS | {"name": "Erika"}), one_time_key="k" * 32)
    assert stale.status == 422
    assert "inzwischen an anderer Stelle geändert" in stale.text
    assert stale.form(TO_ORDER).fields["name"] == "Erika"
    assert (await anna.press(stale, TO_ORDER)).path.partition("?")[0].endswith("/review")
    assert await portal.count("OrderDetailsChanged.v1") == 2


@pytest.mark.parametrize("version", ["9" * 5_000, "2147483648", "-1", "²", "x", ""])
async def test_a_forged_version_is_one_that_no_order_is_at(portal: Portal, anna: Visitor, version: str) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    told = await anna.press(payment, TO_ORDER, version=version, **JONAS)
    assert told.status == 422
    assert "inzwischen an anderer Stelle geändert" in told.text
    assert await portal.count("OrderDetailsChanged.v1") == 0
    review = await anna.press(payment, TO_ORDER, **JONAS)
    assert (await anna.press(review, PLACE, version=version)).status == 409
    assert await portal.count("OrderPlaced.v1") == 0


async def test_a_form_that_is_too_large_is_refused_by_a_page(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    told = await anna.press(payment, TO_ORDER, name="x" * 2_000_000)
    assert (told.status, told.answer.headers["Connection"]) == (413, "close")
    assert "Das war zu viel auf einmal" in told.text
    assert "Verweis" in told.text or "Referenz" in told.text
    assert await portal.count("OrderDetailsChanged.v1") == 0


async def test_a_session_that_ended_in_mid_form_loses_nothing_of_it(portal: Portal, anna: Visitor) -> None:
    payment = await anna.press(await quoted(anna), TO_PAYMENT)
    await portal.ledger.sessions.close(anna.cookies.pop(SESSION))
    ended = await anna.press(payment, TO_ORDER, **JONAS)
    assert ended.status == 401
    assert "Ihre Sitzung ist beendet" in ended.text
    assert JONAS["email"] not in ended.path
    still = await anna.press(ended, "Mit Ihren Angaben weitermachen")
    assert still.status == 401, "as often as one likes"
    anna.cookies |= (await portal.visitor()).cookies
    again = await anna.press(still, "Mit Ihren Angaben weitermachen")
    assert again.status == 422
    assert "haben Sie sich neu angemeldet" in again.text
    assert again.form(TO_ORDER).fields["email"] == JONAS["email"]
    assert await portal.count("OrderDetailsChanged.v1") == 0
    assert (await anna.press(again, TO_ORDER)).status == 200
    assert await portal.count("OrderDetailsChanged.v1") == 1


async def test_a_form_that_is_not_whole_is_shown_again(portal: Portal, anna: Visitor) -> None:
    cart = await anna.get(f"{BASE}/cart?{SEATS}=3")
    for key in ["", "short", "k" * 65, "a b c d e f g h i j k"]:
        told = await anna.press(cart, SAVE, action="save", one_time_key=key)
        assert told.status == 422
        assert told.form(SAVE).fields[SEATS] == "3"
    assert await portal.count("QuoteIssued.v1") == 0


async def test_what_no_form_looks_like_is_a_page_and_no_fault(anna: Visitor) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost:8080"}
    cookie = {"Cookie": f"{SESSION}={anna.cookies[SESSION]}"}
    for content in ["%ff%fe=1", "&".join("a=1" for _ in range(3000)), "\x00", "=", "seats-=1"]:
        answer = await anna.client.post(f"{BASE}/cart", content=content, headers=kind | cookie)
        assert answer.status_code in {200, 400, 422}
        assert "<h1" in answer.text


async def test_an_address_that_no_page_gave_is_not_there(anna: Visitor) -> None:
    for query in ["after=x", "after=1", "after=99999.1", "cursor=!", "cursor=" + "x" * 600]:
        assert (await anna.get(f"{BASE}/subscriptions?{query}")).status == 404


async def test_an_account_that_can_not_help_itself_is_sent_to_account_services(portal: Portal) -> None:
    visitor = await portal.visitor(accounts=(RESTRICTED,))
    base = f"/portal/accounts/{RESTRICTED}"
    subscriptions = await visitor.get(f"{base}/subscriptions")
    assert "es wird per Rechnung abgerechnet" in subscriptions.text
    assert "Corporate Account Services kontaktieren" in subscriptions.text
    assert "/cart" not in subscriptions.source
    cart = await visitor.get(f"{base}/cart?seats-{MEETING}=1")
    assert "es wird per Rechnung abgerechnet" in cart.text
    assert all(SAVE not in form.buttons for form in cart.forms)


async def test_without_a_card_the_cart_leads_to_the_gateway_and_back(portal: Portal) -> None:
    visitor = await portal.visitor(accounts=(CARDLESS,))
    base = f"/portal/accounts/{CARDLESS}"
    cart = await visitor.get(f"{base}/cart")
    gateway = await visitor.press(cart, "Zahlungsweise hinterlegen")
    back = await visitor.press(gateway, "Use this card", card="tok_amex")
    assert "American Express •••• 0005" in back.text
    saved = await visitor.press(back, "Diese Karte speichern")
    assert "American Express •••• 0005" in saved.text
    assert "Neu, gilt nach dem Speichern" not in saved.text
    assert "Es fehlt eine Zahlungsweise" not in (await visitor.get(f"{base}/cart")).text


async def test_a_gateway_leads_back_to_the_portal_and_nowhere_else(anna: Visitor) -> None:
    for away in ("https://evil.example/portal/x", "http://localhost:8080/v1/x", "//evil.example", "x"):
        assert (await anna.get(f"/sandbox/gateway/card?return_to={away}")).status == 400
    form = "/sandbox/gateway/card/entered?return_to=http://localhost:8080/portal/x&card="
    assert (await anna.get(f"{form}tok_unknown")).status == 400


async def test_a_sales_reps_quote_is_lost_only_by_who_says_so(portal: Portal, anna: Visitor) -> None:
    rep = await portal.visitor("p-rep", Role.SALES_REP, (), ("dach",))
    token = await portal.ledger.sandbox.identity.token("rep")
    body = {"lines": [{"subscription_id": str(MEETING), "seats_to_add": 20, "unit_price": 20000}], "replaces": None}
    answer = await portal.client.post(
        f"/v1/accounts/{LINDNER}/quotes",
        json=body,
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "a-reps-quote"},
    )
    assert answer.status_code == 201
    await portal.caught_up()
    assert "Angebot Q-" in (await rep.get(f"/portal/quotes/{answer.json()['id']}")).text
    cart = await anna.get(f"{BASE}/cart?{SEATS}=3")
    assert "Von Ihrem Vertriebsmitarbeiter erstellt" in cart.text
    told = await anna.press(cart, SAVE)
    assert told.status == 422
    assert "Bestätigen Sie, dass es verfallen darf" in told.text
    assert await portal.count("QuoteExpiredBySupersession.v1") == 0
    assert (await anna.press(told, SAVE, acknowledge="yes")).path.startswith("/portal/quotes/")
    assert await portal.count("QuoteExpiredBySupersession.v1") == 1
