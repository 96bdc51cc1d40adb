"""Save Cart and Review: pricing a cart, issuing the one open quote, declining it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.account import BillingAccount
from domain.identifiers import document_number, order_id, quote_id
from domain.order import ServiceOrder
from domain.pricing import QuoteLine
from domain.quote import CartLine, Quote, QuoteOrigin, QuotingRules, issue_quote, price_cart
from domain.refusals import NotFound
from domain.subscription import Subscription
from services.deciding import decided
from services.ports import CommandContext, EventStore, Outcome, Streams, VatIdFormat


@dataclass(frozen=True, slots=True)
class IssueQuote:
    """A saved cart. `replaces` must be the quote that is open now, None if none is.

    Prices on lines and `valid_until` are a sales rep's to give.
    """

    account_id: UUID
    lines: tuple[CartLine, ...]
    replaces: UUID | None
    acknowledge_sales_rep_quote: bool = False
    origin: QuoteOrigin = QuoteOrigin.SELF_SERVICE
    valid_until: datetime | None = None


class Quoting:
    """Carts and quotes."""

    def __init__(self, events: EventStore, vat_ids: VatIdFormat, rules: QuotingRules) -> None:
        """Quote by these rules."""
        self._events, self._vat_ids, self._rules = events, vat_ids, rules

    async def preview(self, account_id: UUID, cart: tuple[CartLine, ...], at: datetime) -> tuple[QuoteLine, ...]:
        """What the cart would cost as a quote issued now; stores nothing."""
        streams = await self._events.load(account_id, *(line.subscription_id for line in cart))
        account = streams.require(BillingAccount, account_id)
        return self._priced(cart, account, streams, at)

    async def issue(self, command: IssueQuote, context: CommandContext) -> Outcome:
        """Issue the quote; the one it replaces and its draft order end in the same append."""

        async def attempt() -> Outcome:
            replaced = command.replaces
            subscription_ids = {line.subscription_id for line in command.lines}
            ids = [command.account_id, *subscription_ids, *((replaced, order_id(replaced)) if replaced else ())]
            streams = await self._events.load(*ids, context=context)
            if streams.done:
                return streams.done
            account = streams.require(BillingAccount, command.account_id)
            account.must_have_open(replaced)
            superseded = streams.require(Quote, replaced) if replaced else None
            draft = streams.find(ServiceOrder, order_id(replaced)) if replaced else None
            lines = self._priced(command.lines, account, streams, context.now)
            subscriptions = {id: streams.require(Subscription, id) for id in subscription_ids}
            new_id = quote_id(context.command_id)
            quote = issue_quote(
                new_id,
                document_number("Q", new_id),
                command.origin,
                lines,
                account,
                subscriptions,
                superseded,
                context.actor.id if command.acknowledge_sales_rep_quote else None,
                command.valid_until,
                self._rules,
                context.now,
            )
            ended = [each for each in (superseded, draft) if each]
            if draft:
                draft.discard("quote superseded", context.now)
            return await self._events.append(
                account,
                *ended,
                quote,
                *subscriptions.values(),
                context=context,
                unchanged=(order_id(replaced),) if replaced and not draft else (),
                result=quote,
            )

        return await decided(attempt)

    async def issue_again(
        self, id: UUID, replaces: UUID | None, *, acknowledge_sales_rep_quote: bool, context: CommandContext
    ) -> Outcome:
        """Issue a new quote for the same seats as this one, at today's prices."""
        quote = (await self._events.load(id)).require(Quote, id)
        cart = tuple(CartLine(line.subscription_id, line.seats_to_add) for line in quote.lines)
        command = IssueQuote(quote.account_id, cart, replaces, acknowledge_sales_rep_quote)
        return await self.issue(command, context)

    async def decline(self, id: UUID, context: CommandContext) -> Outcome:
        """Decline the open quote; its draft order is cancelled in the same append."""

        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            account_id = streams.require(Quote, id).account_id
            streams = await self._events.load(id, order_id(id), account_id)  # all as of one moment
            quote, account = streams.require(Quote, id), streams.require(BillingAccount, account_id)
            quote.decline(context.actor.id, context.now)
            ended = ended_with(quote, account, streams, "quote declined", context.now)
            return await self._events.append(
                quote, account, *ended, context=context, unchanged=still_without_draft(quote, ended)
            )

        return await decided(attempt)

    def _priced(
        self, cart: tuple[CartLine, ...], account: BillingAccount, streams: Streams, at: datetime
    ) -> tuple[QuoteLine, ...]:
        subscriptions = {
            line.subscription_id: of_account(streams.require(Subscription, line.subscription_id), account)
            for line in cart
        }
        return price_cart(cart, account, subscriptions, self._vat_ids.country_of(account.vat_id), self._rules, at)


def ended_with(
    quote: Quote, account: BillingAccount, streams: Streams, reason: str, at: datetime
) -> list[ServiceOrder]:
    """What ends in the same append as the open quote, beside the account's word for it: its draft order."""
    account.close_quote(quote.id, at)
    draft = streams.find(ServiceOrder, order_id(quote.id))
    if draft:
        draft.discard(reason, at)
    return [draft] if draft else []


def still_without_draft(quote: Quote, ended: Sequence[ServiceOrder]) -> tuple[UUID, ...]:
    """What must be unchanged if the quote ends without a draft order: one prepared meanwhile would stay for ever."""
    return () if ended else (order_id(quote.id),)


def of_account(subscription: Subscription, account: BillingAccount) -> Subscription:
    """The subscription; raises NotFound if it is another account's, which must not be known to exist."""
    if subscription.account_id != account.id:
        raise NotFound(kind="Subscription", id=subscription.id)
    return subscription
