"""What must be true after the walk, each from somebody's own book and by arithmetic of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.cli.demo.walking import ADMIN, PO_NUMBER, PRODUCT, SEATS_TO_ADD, Answer, Books, Walk
from services.vault_records import ReceiptDocument

_RATE: Final = 1900  # basis points; what a German company pays to a German seller

EVENTS: Final = (
    "OpenQuoteChanged.v1",
    "QuoteIssued.v1",
    "SeatsRequested.v1",
    "ServiceOrderPrepared.v1",
    "OrderDetailsChanged.v1",
    "OrderPlaced.v1",
    "QuoteAccepted.v1",
    "OpenQuoteChanged.v1",
    "SeatChangeOrdered.v1",
    "PaymentAttemptStarted.v1",
    "PaymentAuthorised.v1",
    "AdminContactAssigned.v1",
    "OrderLineProvisioned.v1",
    "SeatsProvisioned.v1",
    "AdminSeatsAssigned.v1",
    "PaymentCaptured.v1",
    "OrderCompleted.v1",
    "ReceiptIssued.v1",
    "ReceiptSent.v1",
)
"""The account's history of this order, in the order of the log."""


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence that holds if what was found is what was expected."""

    step: str
    sentence: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return bool(self.expected == self.found)


@dataclass(frozen=True, slots=True)
class Expected:
    """The amounts in minor units, computed here from price, seats and days alone."""

    days: int
    term_days: int
    net: int
    tax: int

    @property
    def gross(self) -> int:
        """What the card pays."""
        return self.net + self.tax

    @classmethod
    def of(cls, subscription: Answer, first_day: date) -> "Expected":
        """For the seats of the walk, from `first_day` to the renewal."""
        start, end = (date.fromisoformat(subscription[name]) for name in ("term_start", "term_end"))
        days, term_days = (end - first_day).days, (end - start).days
        net = (2 * subscription["unit_price"]["amount"] * SEATS_TO_ADD * days + term_days) // (2 * term_days)
        return cls(days, term_days, net, (2 * net * _RATE + 10_000) // 20_000)


def checks(walk: Walk, books: Books) -> Iterator[Check]:
    """All of them, in the order of the article."""
    issued_at = datetime.fromisoformat(walk.quote["issued_at"])
    first_day = issued_at.astimezone(ZoneInfo("Europe/Berlin")).date()
    expected = Expected.of(walk.subscription, first_day)
    yield from _before(walk)
    yield from _quote(walk, expected, issued_at, first_day)
    yield from _review(walk, expected)
    yield from _order(walk, books, expected)
    yield from _history(walk, books)
    yield from _counterparties(walk, books, expected)
    yield from _receipt(books, expected)


def _before(walk: Walk) -> Iterator[Check]:
    step, account, subscription = "Abonnements", walk.account, walk.subscription
    yield Check(
        step, "the account is German and pays in euro", ("de", "EUR"), (account["language"], account["currency"])
    )
    yield Check(step, "it may serve itself", True, account["eligible_for_self_service"])
    yield Check(
        step, "it has 10 active seats of GoTo Meeting", (10, "Active"), (subscription["seats"], subscription["state"])
    )
    yield Check("Angebote", "no quote is open", None, account["open_quote_id"])


def _quote(walk: Walk, expected: Expected, issued_at: datetime, first_day: date) -> Iterator[Check]:
    step, quote = "Sitze hinzufügen", walk.quote
    yield Check(step, "the preview stored nothing", 0, walk.stored_by_preview)
    yield Check(step, "the preview shows what is quoted then", _shown(walk.preview), _shown(quote))
    step = "Warenkorb speichern und Überprüfen"
    yield Check(step, "the quote is open and its own", ("Open", "self_service"), (quote["state"], quote["origin"]))
    (line,) = quote["lines"]
    seats = (line["product"], line["seats_before"], line["seats_to_add"], line["seats_after"])
    yield Check(step, "it adds 2 seats: 10 + 2 = 12", (PRODUCT, 10, SEATS_TO_ADD, 12), seats)
    period = (line["service_start"], line["days"], line["term_days"])
    wanted = (first_day.isoformat(), expected.days, expected.term_days)
    yield Check(step, f"from today to the renewal: {expected.days} of {expected.term_days} days", wanted, period)
    yield from _amounts(step, "the quote", quote, expected)
    valid = datetime.fromisoformat(quote["valid_until"]) - issued_at
    yield Check(step, "it holds for 30 days", True, timedelta(days=29, hours=22) <= valid <= timedelta(days=31))


def _review(walk: Walk, expected: Expected) -> Iterator[Check]:
    step = "Fortfahren zur Zahlung"
    yield Check(step, "the service order is the quote's", walk.quote["id"], walk.prepared["quote_id"])
    yield Check(step, "it is prepared, and nothing is charged", ("Prepared", 0), _state(walk.prepared))
    yield Check(step, "it pays by the account's card", walk.account["payment_method"], walk.prepared["payment_method"])
    yield Check(step, "it is billed to the account", walk.account["billing_address"], walk.prepared["billing_address"])
    step = "Speichern und Fortfahren zum Serviceauftrag"
    yield Check(step, "the admin contact is the one that was named", ADMIN, walk.reviewed["admin_contact"])
    yield Check(step, "lines and totals are the quote's", _shown(walk.quote), _shown(walk.reviewed))
    yield from _amounts("Service-Bestellung aufgeben", "the placed order", walk.placed, expected)


def _order(walk: Walk, books: Books, expected: Expected) -> Iterator[Check]:
    step, order = "Bestellung", books.order
    yield Check(step, "the order is complete, and all was charged", ("Completed", expected.gross), _state(order))
    yield Check(step, "the quote is accepted, for this order", ("Accepted", order["id"]), _ended(books.quote))
    yield Check(step, "no quote is open any more", None, books.account["open_quote_id"])
    yield Check(step, "it carries the company's own reference", PO_NUMBER, order["po_number"])
    yield Check(step, "its lines are those that were placed", _shown(walk.placed), _shown(order))
    yield from _amounts(step, "the order", order, expected)
    yield Check(step, "its line was provisioned", ["provisioned"], [line["outcome"] for line in order["lines"]])
    seats = (books.subscription["seats"], books.subscription["seats_on_order"])
    yield Check(step, "the subscription has 12 seats, none on order", (12, 0), seats)
    yield Check(step, "it was in time", False, order["overdue"])


def _history(walk: Walk, books: Books) -> Iterator[Check]:
    step = "Ereignisse"
    yield Check(step, "each event happened once, in this order", list(EVENTS), [each["type"] for each in walk.events])
    first = walk.events[0]["position"]
    after = [each["event_id"] for each in books.timeline if each["position"] >= first]
    yield Check(step, "the history shows what was seen", [each["event_id"] for each in walk.events], after)
    positions = [each["position"] for each in walk.events]
    yield Check(step, "in the order of the log", sorted(positions), positions)
    yield Check(step, "and has an id of its own", len(walk.events), len({each["event_id"] for each in walk.events}))


def _counterparties(walk: Walk, books: Books, expected: Expected) -> Iterator[Check]:
    step, order, gross = "Bücher der anderen", walk.prepared["id"], expected.gross
    moved = [(each["kind"], each["order_id"], each["amount"], each["currency"]) for each in books.movements]
    wanted = [("authorised", order, gross, "EUR"), ("captured", order, gross, "EUR")]
    yield Check(step, "payment gateway: held once and charged once, the order's gross, nothing else", wanted, moved)
    cards = {(each["card_last_four"], each["attempt"]) for each in books.movements}
    yield Check(step, "payment gateway: the account's card, at the first attempt", {("4242", 1)}, cards)
    seats = [
        (each["subscription_id"], each["product"], each["seats"], [call["order_id"] for call in each["answers"]])
        for each in books.provisioned
    ]
    yield Check(
        step, "seat provisioning: 12 seats, asked once", [(walk.subscription["id"], PRODUCT, 12, [order])], seats
    )
    admins = [(each["name"], each["email"], each["accounts"], each["products"]) for each in books.admins]
    admin = (ADMIN["name"], ADMIN["email"], [walk.account["id"]], [PRODUCT])
    yield Check(step, "Admin Center: one new admin with a seat of GoTo Meeting", [admin], admins)


def _receipt(books: Books, expected: Expected) -> Iterator[Check]:
    step, receipt, number = "Quittung", books.receipt, books.receipt["number"]
    yield Check(step, "it has the first number of its series", True, bool(re.fullmatch(r"SL-DE-\d{4}-000001", number)))
    yield Check(
        step,
        "order and receipt name each other",
        (number, books.order["id"]),
        (books.order["receipt_number"], receipt["order_id"]),
    )
    mails = [(mail.recipient, mail.header_to, mail.language) for mail in books.mails]
    to = books.account["billing_contact"]["email"]
    yield Check(step, "one mail, in German, to the billing contact", [(to, to, "de")], mails)
    yield Check(step, "its Message-ID is the receipt's", [True], [number in mail.message_id for mail in books.mails])
    yield Check(step, "its subject names the receipt", [True], [number in mail.subject for mail in books.mails])
    yield Check(step, "its text is the receipt that is kept", [books.receipt_text], [mail.text for mail in books.mails])
    yield Check(step, "its HTML is the receipt that is kept", [books.receipt_html], [mail.html for mail in books.mails])
    digests = [ReceiptDocument(subject=mail.subject, text=mail.text, html=mail.html).digest for mail in books.mails]
    yield Check(step, "its bytes are those that the event proves", [receipt["document_digest"]], digests)
    for amount, name in ((expected.net, "net"), (expected.tax, "tax"), (expected.gross, "gross")):
        for form, document in (("text", books.receipt_text), ("HTML", books.receipt_html)):
            shown = german(amount)
            yield Check(step, f"its {form} says {name} {shown}", True, shown in document)
    yield Check(step, "it says 19 % VAT", True, "19\N{NO-BREAK SPACE}%" in books.receipt_text)
    yield Check(step, "it says that it was sent", True, books.order["receipt_sent"])


def german(minor_units: int) -> str:
    r"""An amount in euro as CLDR writes it in German, by means of its own.

    >>> german(137729)
    '1.377,29\xa0€'
    """
    euros, cents = divmod(minor_units, 100)
    return f"{euros:,}".replace(",", ".") + f",{cents:02}\N{NO-BREAK SPACE}€"


def _amounts(step: str, what: str, shown: Answer, expected: Expected) -> Iterator[Check]:
    amounts = tuple((shown[name]["amount"], shown[name]["currency"]) for name in ("net", "tax", "gross"))
    wanted = tuple((amount, "EUR") for amount in (expected.net, expected.tax, expected.gross))
    yield Check(step, f"{what} says net {german(expected.net)}, tax {german(expected.tax)}", wanted, amounts)
    rates = [(line["tax_category"], line["tax_country"], line["tax_rate_basis_points"]) for line in shown["lines"]]
    yield Check(step, f"{what} is taxed at Germany's 19 %", [("standard", "DE", _RATE)], rates)
    sums = tuple(sum(line[name]["amount"] for line in shown["lines"]) for name in ("net", "tax", "gross"))
    yield Check(step, f"{what}'s lines add up", sums, tuple(shown[name]["amount"] for name in ("net", "tax", "gross")))


def _shown(shown: Answer) -> Answer:
    lines = [{name: value for name, value in line.items() if name != "outcome"} for line in shown["lines"]]
    return {"lines": lines, **{name: shown[name] for name in ("net", "tax", "gross")}}


def _state(order: Answer) -> tuple[str, int]:
    return order["state"], order["captured"]["amount"]


def _ended(quote: Answer) -> tuple[str, str | None]:
    return quote["state"], quote["order_id"]
