"""Believable histories without end: companies that order seats, as the appends that the services would have made."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final
from uuid import uuid5

from adapters.appending import Append, prepared_append
from adapters.sealing import sealed
from domain.account import BillingAccount
from domain.envelope import Actor, Role
from domain.identifiers import (
    account_id,
    command_id,
    document_number,
    order_id,
    quote_id,
    receipt_series_id,
    subscription_id,
    vault_id,
)
from domain.ledger import LedgerAggregate
from domain.order import PROCESSING_TIME, OrderDetails, ServiceOrder
from domain.personal_data import PaymentMethod, PaymentMethodKind, VaultReference
from domain.pricing import Term, totals
from domain.quote import CartLine, Quote, QuoteOrigin, QuotingRules, issue_quote, price_cart
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription
from services.ports import CommandContext, SealedRecord
from services.vault_records import Address, Contact, GatewayToken, LegalName, RequestContext

BEGAN: Final = datetime(2026, 1, 2, 9, tzinfo=UTC)
RULES: Final = QuotingRules("SL-DE", "DE")
PARTITIONS: Final = 12
ADMIN: Final = Actor("p-benchmark", Role.BILLING_ADMIN)
WORKER: Final = Actor("fulfilment", Role.SERVICE)
PRODUCTS: Final = ("goto_meeting", "goto_webinar", "goto_training", "gotoassist_v5")
_TOKEN: Final = "tok_visa"


class Company:
    """One company's account with subscriptions; `order` is one order's whole history, and the next follows it."""

    def __init__(self, number: int, began: datetime = BEGAN, subscriptions: int = len(PRODUCTS)) -> None:
        """`number` makes every id; `began` is the business time of its first event."""
        self.number = f"B-{number:06d}"
        self.id = account_id(self.number)
        self.at = began
        self._commands = 0
        self._orders = 0
        self._size = subscriptions
        self._subscriptions: list[Subscription] = []

    def opened(self) -> Iterator[Append]:
        """The account with its card and subscriptions."""
        records = [
            sealed(vault_id(self.id, record.KIND), 1, self.id, record)
            for record in (
                LegalName(name=f"{self.number} Maschinenbau GmbH"),
                Contact(name="Anna Weber", email=f"anna@{self.number.lower()}.example"),
                Address(street="Lindenstraße 7", postal_code="50674", city="Köln", country="DE"),
            )
        ]
        self._account = BillingAccount(
            id=self.id,
            number=self.number,
            country="DE",
            currency="EUR",
            language="de",
            time_zone="Europe/Berlin",
            territory="dach",
            vat_id="DE136695976",
            legal_name=records[0].reference,
            billing_contact=records[1].reference,
            billing_address=records[2].reference,
            timestamp=self.at,
        )
        yield self._append([self._account], ADMIN, records)
        token = sealed(vault_id(self.id, GatewayToken.KIND), 1, self.id, GatewayToken(token=_TOKEN))
        card = PaymentMethod(token.reference, PaymentMethodKind.CREDIT_CARD, "visa", "4242", 2034, 12)
        self._account.select_payment_method(card, self.at)
        yield self._append([self._account], ADMIN, [token])
        for number in range(self._size):
            name, product = f"{self.number}-{number}", PRODUCTS[number % len(PRODUCTS)]
            subscription = Subscription(
                id=subscription_id(name),
                account_id=self.id,
                number=name,
                product=product,
                seats=10,
                unit_price=22800,
                currency="EUR",
                term=Term(self.at.date() - timedelta(days=60), self.at.date() + timedelta(days=305)),
                timestamp=self.at,
            )
            self._subscriptions.append(subscription)
            yield self._append([subscription], ADMIN)

    def placed(self) -> Iterator[Append]:
        """The next order up to the moment a worker takes over; it becomes `self.current`."""
        self.at += timedelta(minutes=1)
        self._orders += 1
        subscription = self._subscriptions[self._orders % len(self._subscriptions)]
        by_id = {subscription.id: subscription}
        context = self._context(ADMIN)
        lines = price_cart([CartLine(subscription.id, 2)], self._account, by_id, "DE", RULES, self.at)
        id = quote_id(context.command_id)
        quote = issue_quote(
            id,
            document_number("Q", id),
            QuoteOrigin.SELF_SERVICE,
            lines,
            self._account,
            by_id,
            None,
            None,
            None,
            RULES,
            self.at,
        )
        yield self._of(context, [self._account, quote, subscription], result=quote)
        self.current = order = self._prepared(quote)
        yield self._append([order], ADMIN)
        request = sealed(
            vault_id(order.id, RequestContext.KIND), 1, self.id, RequestContext(ip="192.0.2.7", user_agent="benchmark")
        )
        method = order.payment_method
        assert method is not None
        quote.accept(order.id, self.at)
        self._account.close_quote(quote.id, self.at)
        order.place(lines, method, "2026-01", None, request.reference, None, self.at + PROCESSING_TIME, self.at)
        subscription.order_seats(order.id, quote.id, 2, self.at.date(), self.at)
        yield self._append([order, quote, self._account, subscription], ADMIN, [request])

    def captured(self) -> Iterator[Append]:
        """The current order carried out as far as its capture."""
        order = self.current
        intent = f"pi_{order.id.hex[:24]}"
        subscription = next(each for each in self._subscriptions if each.id == order.lines[0].subscription_id)
        gross = totals(order.lines).gross
        order.start_payment_attempt(intent, self.at)
        yield self._append([order], WORKER)
        order.payment_authorised(intent, gross, self.at + timedelta(days=7), self.at)
        yield self._append([order], WORKER)
        order.line_provisioned(subscription.id, self.at)
        subscription.seats_provisioned(order.id, f"prov_{order.id.hex[:24]}", self.at)
        yield self._append([order, subscription], WORKER)
        order.payment_captured(intent, gross, self.at)
        yield self._append([order], WORKER)

    def completed(self, series: ReceiptSeries) -> Iterator[Append]:
        """The current order with its receipt issued and sent; its document is named and not kept."""
        order = self.current
        receipt = uuid5(order.id, "receipt")
        document = VaultReference(vault_id(receipt, "receipt_document"), 1, "0" * 64)
        sums, number = totals(order.lines), series.next_receipt_number
        issued_on = self.at.date()
        series.issue(
            receipt, self.id, order.id, issued_on, "de", "EUR", sums, document, "0" * 64, "receipt.1", "r", self.at
        )
        order.complete(receipt, number, document, self.at)
        yield self._append([order, series], WORKER)
        message_id = f"<receipt-{number}@seatledger.example>"
        order.receipt_was_sent(message_id, order.receipt_recipient, 1, self.at)
        yield self._append([order], WORKER)

    def _prepared(self, quote: Quote) -> ServiceOrder:
        id, account = order_id(quote.id), self._account
        details = OrderDetails(
            account.payment_method, account.legal_name, account.billing_contact, account.billing_address, None
        )
        return ServiceOrder(
            id=id,
            account_id=self.id,
            number=document_number("O", id),
            quote_id=quote.id,
            quote_digest=quote.content_digest,
            seller=quote.seller,
            currency=quote.currency,
            time_zone=quote.time_zone,
            lines=quote.lines,
            details=details,
            locale="de",
            timestamp=self.at,
        )

    def _context(self, actor: Actor) -> CommandContext:
        self._commands += 1
        id = command_id(self.id, actor.id, str(self._commands))
        key = str(self._commands) if actor is ADMIN else None
        return CommandContext(id, actor, self.at, id, id, None, key, b"\0" * 32 if key else None)

    def _append(self, aggregates: list[LedgerAggregate], actor: Actor, vault: Iterable[SealedRecord] = ()) -> Append:
        return self._of(self._context(actor), aggregates, vault)

    def _of(
        self,
        context: CommandContext,
        aggregates: list[LedgerAggregate],
        vault: Iterable[SealedRecord] = (),
        result: LedgerAggregate | None = None,
    ) -> Append:
        return prepared_append(aggregates, context, (), tuple(vault), result or aggregates[0], PARTITIONS)


def completed_orders(orders: int, orders_each: int = 20, year: int = BEGAN.year) -> Iterator[Append]:
    """So many orders from cart to receipt, by companies that order `orders_each` one after the other, 50 at a time.

    Each `year` has companies and a receipt series of its own.
    """
    began = BEGAN.replace(year=year)
    series = ReceiptSeries(id=receipt_series_id(RULES.seller, year), seller=RULES.seller, year=year, timestamp=began)
    opening = CommandContext(uuid5(series.id, "open"), WORKER, began, series.id, series.id)
    yield prepared_append([series], opening, (), (), series, PARTITIONS)

    def life(number: int) -> Iterator[Append]:
        company = Company(year * 100_000 + number, began + timedelta(seconds=number))
        yield from company.opened()
        for _ in range(min(orders_each, orders - number * orders_each)):
            yield from company.placed()
            yield from company.captured()
            yield from company.completed(series)

    companies = -(-orders // orders_each)
    for first in range(0, companies, 50):
        lives = [life(number) for number in range(first, min(first + 50, companies))]
        for turn in zip_longest(*lives):
            yield from (append for append in turn if append is not None)
