"""Quotes, orders, history and settings in the portal, as a billing admin meets them in a browser without script."""

import re
from uuid import UUID

import psycopg
import pytest

from adapters.http.portal.words import LANGUAGE
from domain.envelope import Role
from domain.identifiers import order_id
from domain.quote import CartLine, QuoteOrigin
from services.ports import CommandContext
from services.quoting import IssueQuote
from tests.system.customers import ASSIST, CARDLESS, LINDNER, MEETING, _context
from tests.system.visitors import Page, Portal, Visitor

pytestmark = pytest.mark.system

BASE = f"/portal/accounts/{LINDNER}"
SCRIPT = "<script>alert('1')</script>"
DECLINE = "Angebot ablehnen"
ACCEPT = "Annehmen und Fortfahren zur Zahlung"


async def issued(
    portal: Portal, subscription: UUID = MEETING, seats: int = 3, replaces: UUID | None = None, *, by_rep: bool = False
) -> UUID:
    """A quote of Lindner's that the read models have."""
    line = CartLine(subscription, seats, 15000 if by_rep else None)
    origin = QuoteOrigin.SALES_REP if by_rep else QuoteOrigin.SELF_SERVICE
    command = IssueQuote(LINDNER, (line,), replaces, origin=origin)
    context = await context_of(portal, f"issue {subscription} {seats} {replaces}")
    outcome = await portal.ledger.quoting.issue(command, context)
    await portal.caught_up()
    return outcome.id


async def context_of(portal: Portal, key: str) -> CommandContext:
    return await _context(portal.ledger, LINDNER, key)


# --- quotes --------------------------------------------------------------------------------------------------------


async def test_an_account_without_quotes_is_told_how_to_get_one(anna: Visitor) -> None:
    page = await anna.get(f"{BASE}/quotes")
    assert "Es ist kein Angebot offen." in page.text
    assert f'href="{BASE}/subscriptions"' in page.source


async def test_the_open_quote_is_on_top_with_what_it_holds_and_is_accepted_into_payment(
    portal: Portal, anna: Visitor
) -> None:
    quote = await issued(portal)
    page = await anna.get(f"{BASE}/quotes")
    assert "10 heute + 3 neu = 13" in page.text
    assert "Gültig bis" in page.text
    payment = await anna.press(page, ACCEPT)
    assert payment.path.startswith(f"/portal/quotes/{quote}/payment")


async def test_a_replaced_quote_and_the_one_that_replaced_it_lead_to_each_other(portal: Portal, anna: Visitor) -> None:
    first = await issued(portal)
    second = await issued(portal, ASSIST, 2, first)
    third = await issued(portal, MEETING, 1, second)
    page = await anna.get(f"{BASE}/quotes")
    [*_, open_one, ended] = ["", *page.source.split('id="ended"')]
    assert f"/portal/quotes/{second}" in open_one, "what the open one replaces"
    assert f'href="/portal/quotes/{third}"' in ended, "what the second was replaced by"
    assert f'href="/portal/quotes/{first}"' in ended, "what the second replaces"
    assert page.text.count("Ersetzt") >= 2


async def test_an_ended_quote_fills_a_new_cart_with_the_same_seats(portal: Portal, anna: Visitor) -> None:
    first = await issued(portal, MEETING, 7)
    await issued(portal, ASSIST, 2, first)
    page = await anna.get(f"{BASE}/quotes")
    again = f"{BASE}/cart?seats-{MEETING}=7"
    assert f'href="{again}"' in page.source
    assert "10 heute + 7 neu = 17" in (await anna.get(again)).text


async def test_declining_asks_first_and_says_what_is_lost(portal: Portal, anna: Visitor) -> None:
    quote = await issued(portal, by_rep=True)
    asked = await anna.get(f"/portal/quotes/{quote}/decline")
    assert "Was verloren geht" in asked.text
    assert "Vertriebsmitarbeiter" in asked.text
    assert await portal.count("QuoteDeclined.v1") == 0
    page = await anna.press(asked, DECLINE)
    assert page.path.startswith(f"{BASE}/quotes")
    assert "Es ist kein Angebot offen." in page.text
    assert "Abgelehnt" in page.text
    twice = await anna.press(asked, DECLINE)
    assert twice.status == 200, "the same form again has the same effect"
    assert await portal.count("QuoteDeclined.v1") == 1


async def test_a_quote_that_was_replaced_while_somebody_read_can_not_be_declined(portal: Portal, anna: Visitor) -> None:
    quote = await issued(portal)
    asked = await anna.get(f"/portal/quotes/{quote}/decline")
    await issued(portal, ASSIST, 2, quote)
    page = await anna.press(asked, DECLINE)
    assert page.status == 409
    assert "Dieses Angebot ist nicht mehr offen." in page.text
    assert "Ein neueres Angebot ist an seine Stelle getreten" in page.text
    assert await portal.count("QuoteDeclined.v1") == 0


async def test_who_may_not_order_is_offered_nothing_to_press(portal: Portal) -> None:
    await issued(portal)
    finance = await portal.visitor("p-finance", Role.FINANCE, ())
    page = await finance.get(f"{BASE}/quotes")
    assert page.status == 200
    assert not [button for form in page.forms for button in form.buttons if button in {ACCEPT, "Ablehnen"}]
    assert "/decline" not in page.source
    assert "/cart?" not in page.source


# --- lists, as long as they get ------------------------------------------------------------------------------------

ORDERS = 5_000


@pytest.fixture
async def busy(portal: Portal, ledger_url: str) -> Portal:
    """An account with 5,000 orders, their quotes and 50,000 events in its read model."""
    quote = await issued(portal)
    await portal.ledger.ordering.prepare(quote, await context_of(portal, "prepare"))
    await portal.caught_up()
    as_owner = re.sub(r"//\w+@", "//postgres@", ledger_url)  # a table's statistics are its owner's to make
    with psycopg.connect(as_owner, autocommit=True) as connection:
        for table, key, order, count, more in (
            ("orders", "order_id", "prepared_at", ORDERS, "'state', (ARRAY['Completed', 'Cancelled'])[1 + i % 2]"),
            ("quotes", "quote_id", "issued_at", ORDERS, "'state', 'Declined'"),
            ("timeline", "event_id", "effective_at", 10 * ORDERS, "'position', 1000000 + i"),
        ):
            connection.execute(
                f"INSERT INTO portal.{table} SELECT made.* FROM portal.{table} AS one"
                f" CROSS JOIN generate_series(1, {count}) AS series (i)"
                f" CROSS JOIN LATERAL jsonb_populate_record(one, jsonb_build_object('{key}', gen_random_uuid(),"
                f" '{order}', timestamptz '2026-01-01' + i * interval '1 minute', {more})) AS made"
                f" LIMIT {count}".encode()
            )
            connection.execute(f"ANALYZE portal.{table}".encode())
    return portal


PAGES = ("quotes", "orders", "orders?show=cancelled", "timeline", "settings")


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_asks_the_database_three_times_at_most(busy: Portal, page: str) -> None:
    """Each query takes a connection of the pool once; what runs in the background may take one, too, now and then."""
    anna = await busy.visitor()
    await anna.get(f"{BASE}/{page}")
    pool, asked = busy.ledger.queries._pool, []
    for _ in range(8):
        before = pool.get_stats().get("requests_num", 0)
        await anna.get(f"{BASE}/{page}")
        asked.append(pool.get_stats()["requests_num"] - before)
    session = 1
    assert 1 <= min(asked) - session <= 3


async def test_staff_look_at_an_account_with_as_few_queries(busy: Portal) -> None:
    sabine = await busy.visitor("p-sabine", Role.ACCOUNT_SERVICES, ())
    pool = busy.ledger.queries._pool
    for page, most in (("timeline", 3), ("quotes", 3), ("orders", 2), ("overview", 4)):  # the last reads the vault, too
        asked = []
        for _ in range(8):
            before = pool.get_stats().get("requests_num", 0)
            assert (await sabine.get(f"{BASE}/{page}")).status == 200
            asked.append(pool.get_stats()["requests_num"] - before)
        assert 1 <= min(asked) - 1 <= most, page


async def test_every_order_is_on_one_page_and_none_on_two(busy: Portal) -> None:
    anna = await busy.visitor()
    seen: list[str] = []
    path = f"{BASE}/orders?show=cancelled"
    while path:
        page = await anna.get(path)
        assert len(page.answer.content) <= 100_000
        seen += [each.partition('"')[0] for each in page.source.split('<th scope="row"><a href="')[1:]]
        following = page.source.partition("cursor=")
        path = f"{path.partition('&')[0]}&cursor={following[2].partition(chr(34))[0]}" if following[1] else ""
    assert len(seen) == len(set(seen)) == ORDERS // 2


@pytest.mark.parametrize("page", ["quotes", "orders", "timeline"])
async def test_a_cursor_that_no_page_gave_is_a_page_that_is_not_there(anna: Visitor, page: str) -> None:
    for cursor in ("x", "W10", SCRIPT):
        answer = await anna.get(f"{BASE}/{page}?cursor={cursor}")
        assert answer.status == 404
        assert SCRIPT not in answer.source


async def test_orders_are_told_in_human_words_and_found_by_their_group(portal: Portal, anna: Visitor) -> None:
    assert "Hier gibt es keine Bestellungen." in (await anna.get(f"{BASE}/orders")).text
    quote = await issued(portal)
    await portal.ledger.ordering.prepare(quote, await context_of(portal, "prepare"))
    await portal.caught_up()
    everything = await anna.get(f"{BASE}/orders")
    assert f"/portal/orders/{order_id(quote)}" in everything.source
    assert "Entwurf" in everything.text
    assert "nicht aufgegeben" in everything.text
    assert str(order_id(quote)) in (await anna.get(f"{BASE}/orders?show=drafts")).source
    assert str(order_id(quote)) not in (await anna.get(f"{BASE}/orders?show=completed")).source
    assert str(order_id(quote)) in (await anna.get(f"{BASE}/orders?show=nonsense")).source


# --- history -------------------------------------------------------------------------------------------------------


async def test_history_tells_what_happened_and_who_did_it_the_last_first(portal: Portal, anna: Visitor) -> None:
    quote = await issued(portal)
    await anna.press(await anna.get(f"/portal/quotes/{quote}/decline"), DECLINE)
    page = await anna.get(f"{BASE}/timeline")
    declined, made = page.text.index("Das Angebot wurde abgelehnt."), page.text.index("Ein Angebot wurde erstellt.")
    assert declined < made
    assert 'by">Sie<' in page.source
    assert 'by">Ein Betreiber<' in page.source
    assert f'href="/portal/quotes/{quote}"' in page.source
    assert "p-anna" not in page.source
    anna.cookies[LANGUAGE] = "en"
    assert "The quote was declined." in (await anna.get(f"{BASE}/timeline")).text


# --- settings ------------------------------------------------------------------------------------------------------

SAVE_LOCALE = "Sprache und Zeitzone speichern"
SAVE_CONTACT = "Rechnungskontakt speichern"
SAVE_ADDRESS = "Rechnungsadresse speichern"


async def settings_of(anna: Visitor) -> Page:
    return await anna.get(f"{BASE}/settings")


async def test_the_account_speaks_the_language_and_counts_in_the_zone_that_are_chosen(
    portal: Portal, anna: Visitor
) -> None:
    quote = await issued(portal)
    anna.cookies[LANGUAGE] = "de"  # chosen in this browser before
    page = await anna.press(await settings_of(anna), SAVE_LOCALE, language="en", time_zone="Pacific/Auckland")
    assert "Language and time zone" in page.text
    row = await portal.ledger.queries.account(LINDNER)
    assert row
    assert (row.language, row.time_zone) == ("en", "Pacific/Auckland")
    kept = await portal.ledger.queries.quote(quote)
    assert kept
    assert kept.time_zone == "Europe/Berlin", "a quote keeps the zone that it was issued in"


async def test_contact_and_address_are_changed_and_shown(portal: Portal, anna: Visitor) -> None:
    page = await anna.press(
        await settings_of(anna), SAVE_CONTACT, name="Ben Krause", email="ben@lindner.example", phone="+492215550123"
    )
    assert page.form(SAVE_CONTACT).fields["email"] == "ben@lindner.example"
    page = await anna.press(page, SAVE_ADDRESS, street="Ring 1", postal_code="1010", city="Wien", country="AT")
    assert page.form(SAVE_ADDRESS).fields["country"] == "AT"
    assert page.status == 200
    assert await portal.count("BillingContactChanged.v1") == await portal.count("BillingAddressChanged.v1") == 1


@pytest.mark.parametrize(
    ("button", "field", "typed", "text"),
    [
        (SAVE_LOCALE, "language", "fr", "Wählen Sie eine Sprache."),
        (SAVE_LOCALE, "time_zone", "Europe/Nowhere", "Wählen Sie eine Zeitzone."),
        (SAVE_CONTACT, "name", "", "Geben Sie einen Namen"),
        (SAVE_CONTACT, "name", "n" * 201, "Geben Sie einen Namen"),
        (SAVE_CONTACT, "email", "nobody", "E-Mail-Adresse"),
        (SAVE_CONTACT, "phone", "0221 555", "Ländervorwahl"),
        (SAVE_CONTACT, "name", "4111 1111 1111 1111", "Kartennummer"),
        (SAVE_ADDRESS, "street", "", "Straße und Hausnummer"),
        (SAVE_ADDRESS, "postal_code", "1" * 17, "Postleitzahl"),
        (SAVE_ADDRESS, "city", "", "Ort"),
        (SAVE_ADDRESS, "region", "r" * 201, "Region"),
        (SAVE_ADDRESS, "country", "Austria", "Land"),
    ],
)
async def test_each_wrong_field_is_told_beside_it_and_nothing_is_lost(
    portal: Portal, anna: Visitor, button: str, field: str, typed: str, text: str
) -> None:
    page = await settings_of(anna)
    others = {"city": SCRIPT} if button == SAVE_ADDRESS and field != "city" else {}
    again = await anna.press(page, button, **{field: typed, **others})
    assert again.status == 422
    assert f'id="{field}-wrong"' in again.source
    assert f'href="#{field}"' in again.source, "the error summary leads to the field"
    assert text in again.text
    if others:
        assert again.form(button).fields["city"] == SCRIPT
    assert SCRIPT not in again.source
    for topic in ("BillingContactChanged.v1", "BillingAddressChanged.v1", "AccountLocaleChanged.v1"):
        assert await portal.count(topic) == 0


async def test_script_in_a_text_is_shown_as_text(anna: Visitor) -> None:
    page = await anna.press(await settings_of(anna), SAVE_CONTACT, name=SCRIPT)
    assert page.status == 200
    assert page.form(SAVE_CONTACT).fields["name"] == SCRIPT
    assert SCRIPT not in page.source


async def test_an_old_page_changes_nothing_and_keeps_what_was_typed(portal: Portal, anna: Visitor) -> None:
    old = await settings_of(anna)
    await anna.press(await settings_of(anna), SAVE_CONTACT, name="Ben Krause")
    again = await anna.press(old, SAVE_CONTACT, name="Carla Moser")
    assert again.status == 422
    assert "an anderer Stelle geändert" in again.text
    assert again.form(SAVE_CONTACT).fields["name"] == "Carla Moser"
    assert await portal.count("BillingContactChanged.v1") == 1
    assert (await anna.press(again, SAVE_CONTACT)).form(SAVE_CONTACT).fields["name"] == "Carla Moser"


async def test_a_setting_sent_twice_is_changed_once(portal: Portal, anna: Visitor) -> None:
    page = await settings_of(anna)
    for _ in range(2):
        assert (await anna.press(page, SAVE_CONTACT, name="Ben Krause")).status == 200
    assert await portal.count("BillingContactChanged.v1") == 1


async def test_a_form_of_another_session_is_given_back(portal: Portal, anna: Visitor) -> None:
    page = await settings_of(anna)
    again = await (await portal.visitor()).press(page, SAVE_CONTACT, name="Ben Krause")
    assert "Carla" not in again.text
    assert await portal.count("BillingContactChanged.v1") == 0
    assert any(form.fields.get("name") == "Ben Krause" for form in again.forms)


async def test_who_may_only_look_sees_the_settings_and_no_button(portal: Portal) -> None:
    investigator = await portal.visitor("p-investigator", Role.INVESTIGATOR, ())
    page = await settings_of(investigator)
    assert "Lindenstraße 7" in page.source
    assert not [button for form in page.forms for button in form.buttons if "speichern" in button]
    assert "payment-method" not in page.source


async def test_an_account_without_a_card_is_told_so(portal: Portal) -> None:
    everywhere = await portal.visitor("p-everywhere", accounts=(LINDNER, CARDLESS))
    page = await everywhere.get(f"/portal/accounts/{CARDLESS}/settings")
    assert "Es ist noch keine Karte gewählt." in page.text
