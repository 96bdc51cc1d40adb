"""Proceed to Payment, Save and Proceed to Service Order, Place Service Order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from domain.account import BillingAccount
from domain.calendar import business_day
from domain.identifiers import document_number, order_id, vault_id
from domain.order import PROCESSING_TIME, OrderDetails, ServiceOrder
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import QuoteLine
from domain.quote import Quote, QuoteOrigin, QuotingRules
from domain.refusals import NoAutomaticPaymentMethod, QuoteChanged, TermsVersionUnknown
from domain.subscription import Subscription
from services.accounts import payment_method
from services.deciding import decided
from services.fulfilment import given_up, made_intent
from services.ports import (
    CardDescription,
    CommandContext,
    EventStore,
    Outcome,
    Payments,
    SealedRecord,
    SeatProvisioning,
    VatIdFormat,
    Vault,
)
from services.vault_records import (
    Address,
    Contact,
    GatewayToken,
    PurchaseOrder,
    RequestContext,
    ReviewedPage,
    VaultRecord,
)


@dataclass(frozen=True, slots=True)
class ChangeOrderDetails:
    """What is changed of the order; None leaves a part as it is. `card_token` is the gateway's.

    `version` is the order's that the change was decided on; None: whichever it is.
    """

    order_id: UUID
    version: int | None
    admin_contact: Contact | None = None
    billing_address: Address | None = None
    card_token: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewedOrder:
    """What the admin sees before he places the order at `version`: the very lines and card that it would have."""

    order_id: UUID
    version: int
    lines: tuple[QuoteLine, ...]
    payment_method: PaymentMethod
    details: OrderDetails
    terms_version: str


@dataclass(frozen=True, slots=True)
class _Placeable:
    account: BillingAccount
    quote: Quote
    subscriptions: list[Subscription]
    reviewed: ReviewedOrder


@dataclass(frozen=True, slots=True)
class PlaceServiceOrder:
    """The admin reviewed the order at `version` and places it. `page` is what he was shown, if it was a page."""

    order_id: UUID
    version: int
    terms_version: str
    po_number: str | None
    request_context: RequestContext
    page: ReviewedPage | None = None


class Ordering:
    """Service orders up to the moment a worker takes over."""

    def __init__(
        self,
        events: EventStore,
        vault: Vault,
        payments: Payments,
        provisioning: SeatProvisioning,
        vat_ids: VatIdFormat,
        rules: QuotingRules,
        terms_version: str,
    ) -> None:
        """`terms_version` are the terms that an order must name to be placed."""
        self._events, self._vault, self._payments, self._vat_ids = events, vault, payments, vat_ids
        self._provisioning = provisioning
        self._rules, self._terms_version = rules, terms_version

    async def prepare(self, quote_id: UUID, context: CommandContext) -> Outcome:
        """The quote's one service order as a draft with the account's details; the one that is there if there is."""
        id = order_id(quote_id)

        async def attempt() -> Outcome:
            streams = await self._events.load(quote_id, id, context=context)
            if streams.done:
                return streams.done
            there = streams.find(ServiceOrder, id)
            if there:
                return await self._events.append(there, context=context)
            quote = streams.require(Quote, quote_id)
            quote.must_be_open(context.now)
            account = (await self._events.load(quote.account_id)).require(BillingAccount, quote.account_id)
            order = ServiceOrder(
                id=id,
                account_id=account.id,
                number=document_number("O", id),
                quote_id=quote.id,
                quote_digest=quote.content_digest,
                seller=quote.seller,
                currency=quote.currency,
                time_zone=quote.time_zone,
                lines=quote.lines,
                details=OrderDetails(
                    payment_method=account.payment_method,
                    legal_name=account.legal_name,
                    billing_contact=account.billing_contact,
                    billing_address=account.billing_address,
                    admin_contact=None,
                ),
                locale=account.language,
                timestamp=context.now,
            )
            return await self._events.append(order, context=context, unchanged=(quote, account))

        return await decided(attempt)

    async def change_admin_contact(self, id: UUID, version: int, contact: Contact, context: CommandContext) -> Outcome:
        """Name the admin who gets a seat of each product on the quote."""
        return await self.change_details(ChangeOrderDetails(id, version, admin_contact=contact), context)

    async def change_billing_address(
        self, id: UUID, version: int, address: Address, context: CommandContext
    ) -> Outcome:
        """Bill this order to another address."""
        return await self.change_details(ChangeOrderDetails(id, version, billing_address=address), context)

    async def change_payment_method(self, id: UUID, version: int, token: str, context: CommandContext) -> Outcome:
        """Pay this order with the card behind a gateway token."""
        return await self.change_details(ChangeOrderDetails(id, version, card_token=token), context)

    async def change_details(self, command: ChangeOrderDetails, context: CommandContext) -> Outcome:
        """Change who becomes admin, where is billed to and which card pays, as one fact.

        Another card is allowed after a decline, too. Raises QuoteChanged for an address in another country than the
        one that the quote's tax was made for.
        """
        card = await self._payments.card(command.card_token) if command.card_token else None

        async def attempt() -> Outcome:
            streams = await self._events.load(command.order_id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, command.order_id)
            if command.version is not None:
                order.must_be_at(command.version)
            details = order.details
            sealed: list[SealedRecord] = []
            if command.admin_contact:
                contact = self._sealed(order, "admin_contact", details.admin_contact, command.admin_contact)
                details = replace(details, admin_contact=contact.reference)
                sealed.append(contact)
            if command.billing_address:
                if command.billing_address.country != order.lines[0].tax_country:
                    raise QuoteChanged(quote_id=order.quote_id, reason="tax country")
                address = self._sealed(order, Address.KIND, details.billing_address, command.billing_address)
                details = replace(details, billing_address=address.reference)
                sealed.append(address)
            if command.card_token and card:
                before = details.payment_method.token if details.payment_method else None
                token = self._sealed(order, GatewayToken.KIND, before, GatewayToken(token=command.card_token))
                details = replace(details, payment_method=payment_method(token.reference, card))
                sealed.append(token)
            order.change_details(details, context.now)
            return await self._events.append(order, context=context, vault=sealed)

        return await decided(attempt)

    async def card(self, token: str) -> CardDescription:
        """What may be told of the card behind a gateway token; raises CounterpartyRefused for an unknown one."""
        return await self._payments.card(token)

    async def review(self, id: UUID, at: datetime) -> ReviewedOrder:
        """The draft as it would be placed now; raises whatever placing it would be refused with."""
        order = (await self._events.load(id)).require(ServiceOrder, id)
        return (await self._reviewed(order, at)).reviewed

    async def place(self, command: PlaceServiceOrder, context: CommandContext) -> Outcome:
        """Accept the quote and place its order in one append; from here on the workers carry it out."""
        if command.terms_version != self._terms_version:
            raise TermsVersionUnknown(current=self._terms_version)

        async def attempt() -> Outcome:
            streams = await self._events.load(command.order_id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, command.order_id)
            order.must_be_at(command.version)
            now = await self._reviewed(order, context.now)
            account, quote, lines, method = now.account, now.quote, now.reviewed.lines, now.reviewed.payment_method
            quote.accept(order.id, context.now)
            account.close_quote(quote.id, context.now)
            asked_from = self._only(order, command.request_context)
            number = self._only(order, PurchaseOrder(number=command.po_number)) if command.po_number else None
            page = self._only(order, command.page) if command.page else None
            order.place(
                lines,
                method,
                command.terms_version,
                number.reference if number else None,
                asked_from.reference,
                command.page.digest if command.page else None,
                context.now + PROCESSING_TIME,
                context.now,
                page.reference if page else None,
            )
            day = business_day(context.now, quote.time_zone)
            for line, subscription in zip(lines, now.subscriptions, strict=True):
                subscription.order_seats(order.id, quote.id, line.seats_to_add, day, context.now)
            vault = [each for each in (asked_from, number, page) if each]
            return await self._events.append(
                order, quote, account, *now.subscriptions, context=context, vault=vault, result=order
            )

        return await decided(attempt)

    async def pay(self, id: UUID, context: CommandContext) -> Outcome:
        """Try the next payment with the order's card, after a decline, a lapse, or in place of a confirmation."""

        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, id)
            order.must_be_payable()
            _valid_card(order, context.now)
            if order.attempt:  # the holder's confirmation is not wanted any more
                await self._payments.void(order.attempt.intent_id)
            order.start_payment_attempt(await made_intent(self._vault, self._payments, order), context.now)
            return await self._events.append(order, context=context)

        return await decided(attempt)

    async def cancel(self, id: UUID, reason: str, context: CommandContext) -> Outcome:
        """Have nothing more of the order provisioned; what has no seats yet is called off by the workers."""
        return await self._decided_on(id, context, lambda order: order.request_cancellation(reason, context.now))

    async def refund(self, id: UUID, amount: int | None, reason: str, context: CommandContext) -> Outcome:
        """Have money given back, with a credit note; None: all that is left of what was charged."""
        return await self._decided_on(
            id,
            context,
            lambda order: order.request_refund(
                order.captured_amount if amount is None else amount, reason, context.now
            ),
        )

    async def close_care_entry(self, id: UUID, care: str, context: CommandContext) -> Outcome:
        """Note that Corporate Account Services has dealt with it."""
        return await self._decided_on(id, context, lambda order: order.close_care_entry(care, context.now))

    async def resend_receipt(self, id: UUID, context: CommandContext) -> Outcome:
        """Have the receipt mailed once more, to who is the account's billing contact now."""

        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, id)
            account = (await self._events.load(order.account_id)).require(BillingAccount, order.account_id)
            order.request_receipt(account.billing_contact, context.now)
            return await self._events.append(order, context=context, unchanged=(account,))

        return await decided(attempt)

    async def release(self, id: UUID, subscription_id: UUID, context: CommandContext) -> Outcome:
        """Give up waiting for a line's seats: nobody pays for them, and the subscription takes other changes again.

        If the provisioning system says that the seats are there after all, that is recorded instead. Raises
        CounterpartyError while it does not answer; once the release is begun, fulfilment brings it to its end.
        """

        async def attempt() -> Outcome:
            streams = await self._events.load(id, subscription_id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, id)
            order.line_released(subscription_id, "released", context.now)
            subscription = streams.require(Subscription, subscription_id)
            begun = replace(
                context,
                command_id=uuid5(context.command_id, f"release:{subscription.version}"),
                causation_id=context.command_id,
                idempotency_key=None,
                fingerprint=None,
            )
            answer = await given_up(self._events, self._provisioning, subscription, order.id, begun)
            if answer and answer.external_reference:
                order = (await self._events.load(id)).require(ServiceOrder, id)
                subscription.seats_provisioned(order.id, answer.external_reference, context.now)
                order.line_provisioned(subscription_id, context.now)
            else:
                subscription.release_seats(order.id, "released", context.now)
            return await self._events.append(order, subscription, context=context)

        return await decided(attempt)

    async def _decided_on(self, id: UUID, context: CommandContext, decide: Callable[[ServiceOrder], None]) -> Outcome:
        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            order = streams.require(ServiceOrder, id)
            decide(order)
            return await self._events.append(order, context=context)

        return await decided(attempt)

    def _only(self, order: ServiceOrder, record: VaultRecord) -> SealedRecord:
        """The record as the one that the order ever has of its kind."""
        return self._vault.seal(vault_id(order.id, record.KIND), 1, order.account_id, record)

    def _sealed(
        self, order: ServiceOrder, kind: str, before: VaultReference | None, record: VaultRecord
    ) -> SealedRecord:
        """The record as the next version of the order's own; what stood there before may be the account's."""
        record_id = vault_id(order.id, kind)
        version = before.version + 1 if before and before.id == record_id else 1
        return self._vault.seal(record_id, version, order.account_id, record)

    async def _reviewed(self, order: ServiceOrder, at: datetime) -> _Placeable:
        order.must_be_prepared()
        subscription_ids = [line.subscription_id for line in order.lines]
        others = await self._events.load(order.account_id, order.quote_id, *subscription_ids)
        account = others.require(BillingAccount, order.account_id)
        quote = others.require(Quote, order.quote_id)
        if quote.origin is QuoteOrigin.SELF_SERVICE:
            account.must_be_eligible()
        method = _valid_card(order, at)
        lines = quote.lines_on_order(account, self._vat_ids.country_of(account.vat_id), self._rules, at)
        reviewed = ReviewedOrder(order.id, order.version, lines, method, order.details, self._terms_version)
        return _Placeable(account, quote, [others.require(Subscription, id) for id in subscription_ids], reviewed)


def _valid_card(order: ServiceOrder, at: datetime) -> PaymentMethod:
    method = order.details.payment_method
    if method is None:
        raise NoAutomaticPaymentMethod(account_id=order.account_id, reason="none")
    day = business_day(at, order.time_zone)
    if method.expired(day.year, day.month):
        raise NoAutomaticPaymentMethod(account_id=order.account_id, reason="expired")
    return method
