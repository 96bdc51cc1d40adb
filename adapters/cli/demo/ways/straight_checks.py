"""What must be true after the straight way, each from somebody's own book and by arithmetic of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from adapters.cli.demo.books import Books, Receipt, digest_of
from adapters.cli.demo.checking import Check, Expected, amounts, expected, german, state
from adapters.cli.demo.people import Customer
from adapters.cli.demo.settling import remembered
from adapters.cli.demo.stage import Answer
from services.vault_records import ReceiptDocument

PRODUCT: Final = "goto_meeting"
SEATS_TO_ADD: Final = 2
ADMIN: Final = {"name": "Jonas Keller", "email": "jonas.keller@lindner.example", "phone": "+492211234567"}
PO_NUMBER: Final = "PO-2026-0815"

EVENTS: Final = (
    "OpenQuoteChanged",
    "QuoteIssued",
    "SeatsRequested",
    "ServiceOrderPrepared",
    "OrderDetailsChanged",
    "OrderPlaced",
    "QuoteAccepted",
    "OpenQuoteChanged",
    "SeatChangeOrdered",
    "PaymentAttemptStarted",
    "PaymentAuthorised",
    "AdminContactAssigned",
    "OrderLineProvisioned",
    "SeatsProvisioned",
    "AdminSeatsAssigned",
    "PaymentCaptured",
    "OrderCompleted",
    "ReceiptIssued",
    "ReceiptSent",
)
"""The account's history of this order, in the order of the log."""


@dataclass(slots=True)
class StraightAnswers:
    """What the service answered at each step."""

    customer: Customer
    preview: Answer
    stored_by_preview: int
    quote: Answer
    prepared: Answer
    reviewed: Answer
    placed: Answer

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)


def checks_of(way: StraightAnswers, books: Books) -> Iterator[Check]:
    """All of them, in the order of the article."""
    customer = way.customer
    wanted = expected(way.quote, customer, {PRODUCT: SEATS_TO_ADD})
    yield from _before(customer)
    yield from _quote(way, wanted)
    yield from _review(way, wanted)
    yield from _order(way, books, wanted)
    yield from _history(customer, books)
    yield from _counterparties(way, books, wanted)
    yield from _receipt(way, books, wanted)


def _before(customer: Customer) -> Iterator[Check]:
    step, account, subscription = "Abonnements", customer.account, customer.subscriptions[PRODUCT]
    yield Check(
        step, "the account is German and pays in euro", ("de", "EUR"), (account["language"], account["currency"])
    )
    yield Check(step, "it may serve itself", True, account["eligible_for_self_service"])
    yield Check(
        step, "it has 10 active seats of GoTo Meeting", (10, "Active"), (subscription["seats"], subscription["state"])
    )
    yield Check("Angebote", "no quote is open", None, account["open_quote_id"])


def _quote(way: StraightAnswers, wanted: Expected) -> Iterator[Check]:
    step, quote = "Sitze hinzufügen", way.quote
    yield Check(step, "the preview stored nothing", 0, way.stored_by_preview)
    yield Check(step, "the preview shows what is quoted then", _shown(way.preview), _shown(quote))
    step, (expected_line,) = "Warenkorb speichern und Überprüfen", wanted.lines
    yield Check(step, "the quote is open and its own", ("Open", "self_service"), (quote["state"], quote["origin"]))
    (line,) = quote["lines"]
    seats = (line["product"], line["seats_before"], line["seats_to_add"], line["seats_after"])
    yield Check(step, "it adds 2 seats: 10 + 2 = 12", (PRODUCT, 10, SEATS_TO_ADD, 12), seats)
    period = (line["service_start"], line["days"], line["term_days"])
    days, term_days = expected_line.days, expected_line.term_days
    sentence = f"from today to the renewal: {days} of {term_days} days"
    yield Check(step, sentence, (expected_line.first_day.isoformat(), days, term_days), period)
    yield from amounts(step, "the quote", quote, wanted)
    valid = datetime.fromisoformat(quote["valid_until"]) - datetime.fromisoformat(quote["issued_at"])
    yield Check(step, "it holds for 30 days", True, timedelta(days=29, hours=22) <= valid <= timedelta(days=31))


def _review(way: StraightAnswers, wanted: Expected) -> Iterator[Check]:
    step, account = "Fortfahren zur Zahlung", way.customer.account
    yield Check(step, "the service order is the quote's", way.quote["id"], way.prepared["quote_id"])
    yield Check(step, "it is prepared, and nothing is charged", ("Prepared", 0), state(way.prepared))
    yield Check(step, "it pays by the account's card", account["payment_method"], way.prepared["payment_method"])
    yield Check(step, "it is billed to the account", account["billing_address"], way.prepared["billing_address"])
    step = "Speichern und Fortfahren zum Serviceauftrag"
    yield Check(step, "the admin contact is the one that was named", ADMIN, way.reviewed["admin_contact"])
    yield Check(step, "lines and totals are the quote's", _shown(way.quote), _shown(way.reviewed))
    yield from amounts("Service-Bestellung aufgeben", "the placed order", way.placed, wanted)


def _order(way: StraightAnswers, books: Books, wanted: Expected) -> Iterator[Check]:
    step, mine = "Bestellung", books.of(way.customer)
    order, quote = mine.orders[way.prepared["id"]], mine.quotes[way.quote["id"]]
    yield Check(step, "the order is complete, and all was charged", ("Completed", wanted.gross), state(order))
    ended = (quote["state"], quote["order_id"])
    yield Check(step, "the quote is accepted, for this order", ("Accepted", order["id"]), ended)
    yield Check(step, "no quote is open any more", None, mine.account["open_quote_id"])
    yield Check(step, "it carries the company's own reference", PO_NUMBER, order["po_number"])
    yield Check(step, "its lines are those that were placed", _shown(way.placed), _shown(order))
    yield from amounts(step, "the order", order, wanted)
    yield Check(step, "its line was provisioned", ["provisioned"], [line["outcome"] for line in order["lines"]])
    subscription = mine.subscriptions[wanted.lines[0].subscription_id]
    seats = (subscription["seats"], subscription["seats_on_order"])
    yield Check(step, "the subscription has 12 seats, none on order", (12, 0), seats)
    yield Check(step, "it was in time", False, order["overdue"])


def _history(customer: Customer, books: Books) -> Iterator[Check]:
    step, events = "Ereignisse", customer.events
    yield Check(step, "each event happened once, in this order", list(EVENTS), customer.types)
    yield from remembered(customer, books)
    positions = [each["position"] for each in events]
    yield Check(step, "in the order of the log", sorted(positions), positions)
    yield Check(step, "and has an id of its own", len(events), len({each["event_id"] for each in events}))


def _counterparties(way: StraightAnswers, books: Books, wanted: Expected) -> Iterator[Check]:
    step, order, account = "Bücher der anderen", way.prepared, way.customer.account
    moved = [(each["kind"], each["amount"], each["currency"]) for each in books.moved(order)]
    moves = [("authorised", wanted.gross, "EUR"), ("captured", wanted.gross, "EUR")]
    yield Check(step, "payment gateway: held once and charged once, the order's gross", moves, moved)
    cards = {(each["card_last_four"], each["attempt"]) for each in books.moved(order)}
    yield Check(step, "payment gateway: the account's card, at the first attempt", {("4242", 1)}, cards)
    calls = books.calls(way.customer.subscriptions[PRODUCT]) or {"product": None, "seats": None, "answers": []}
    found = (calls["product"], calls["seats"], [call["order_id"] for call in calls["answers"]])
    yield Check(step, "seat provisioning: 12 seats, asked once", (PRODUCT, 12, [order["id"]]), found)
    admins = [(each["name"], each["email"], each["accounts"], each["products"]) for each in books.admins]
    admin = (ADMIN["name"], ADMIN["email"], [account["id"]], [PRODUCT])
    yield Check(step, "Admin Center: one new admin with a seat of GoTo Meeting", [admin], admins)


def _receipt(way: StraightAnswers, books: Books, wanted: Expected) -> Iterator[Check]:
    mine = books.of(way.customer)
    order, receipt = mine.orders[way.prepared["id"]], mine.receipts[way.prepared["id"]]
    step, number = "Quittung", receipt.view["number"]
    yield Check(step, "it has the first number of its series", True, bool(re.fullmatch(r"SL-DE-\d{4}-000001", number)))
    named = (order["receipt_number"], receipt.view["order_id"])
    yield Check(step, "order and receipt name each other", (number, order["id"]), named)
    yield from _mail(way.customer, books, receipt)
    for amount, name in ((wanted.net, "net"), (wanted.tax, "tax"), (wanted.gross, "gross")):
        for form, document in (("text", receipt.text), ("HTML", receipt.html)):
            shown = german(amount)
            yield Check(step, f"its {form} says {name} {shown}", True, shown in document)
    yield Check(step, "it says 19 % VAT", True, "19\N{NO-BREAK SPACE}%" in receipt.text)
    yield Check(step, "it says that it was sent", True, order["receipt_sent"])


def _mail(customer: Customer, books: Books, receipt: Receipt) -> Iterator[Check]:
    step, number, mails = "Quittung", receipt.view["number"], books.mails_to(customer)
    to = customer.account["billing_contact"]["email"]
    found = [(mail.recipient, mail.header_to, mail.language) for mail in mails]
    yield Check(step, "one mail, in German, to the billing contact", [(to, to, "de")], found)
    yield Check(step, "its Message-ID is the receipt's", [True], [number in mail.message_id for mail in mails])
    yield Check(step, "its subject names the receipt", [True], [number in mail.subject for mail in mails])
    yield Check(step, "its text is the receipt that is kept", [receipt.text], [mail.text for mail in mails])
    yield Check(step, "its HTML is the receipt that is kept", [receipt.html], [mail.html for mail in mails])
    yield Check(
        step, "its PDF is the receipt that is kept", [digest_of(receipt.pdf)], [digest_of(m.pdf) for m in mails]
    )
    documents = [ReceiptDocument(subject=m.subject, text=m.text, html=m.html, pdf=m.pdf) for m in mails]
    digests = [document.digest for document in documents]
    yield Check(step, "its bytes are those that the event proves", [receipt.view["document_digest"]], digests)


def _shown(shown: Answer) -> Answer:
    lines = [{name: value for name, value in line.items() if name != "outcome"} for line in shown["lines"]]
    return {"lines": lines, **{name: shown[name] for name in ("net", "tax", "gross")}}
