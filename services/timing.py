"""What the clock alone makes happen: each timer sends a command, and the aggregate says whether it is time."""

from collections.abc import Awaitable, Callable
from typing import Final

from domain.account import BillingAccount
from domain.calendar import business_day
from domain.identifiers import order_id
from domain.ledger import LedgerAggregate
from domain.order import ServiceOrder
from domain.quote import ExpiryCause, Quote, QuoteState
from domain.subscription import Subscription
from domain.timers import Timer
from services.ports import Claim, Clock, CommandContext, EventStore
from services.quoting import ended_with, still_without_draft
from services.working import recorded, worker_context

ACTOR: Final = "timers"


class Timers:
    """services.working.Work on the list of timers that are due by business time."""

    def __init__(self, events: EventStore, clock: Clock) -> None:
        """Work on this store by this clock."""
        self._events, self._clock = events, clock

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        await keep()
        await recorded(lambda: self._ring(claim))

    async def _ring(self, claim: Claim) -> None:
        timer = Timer(claim.work)
        match timer:
            case Timer.EXPIRE_QUOTE:
                await self._expire(claim)
            case Timer.QUOTE_EXPIRES_SOON:
                quote = (await self._events.load(claim.subject_id)).require(Quote, claim.subject_id)
                context = await self._context(claim, quote)
                quote.expires_soon(context.now)
                await self._events.append(quote, context=context)
            case Timer.END_SUBSCRIPTION:
                await self._end_subscription(claim)
            case _:
                order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
                context = await self._context(claim, order)
                {
                    Timer.ORDER_DELAYED: order.be_delayed,
                    Timer.ORDER_OVERDUE: order.become_overdue,
                    Timer.PAYMENT_DEADLINE: order.payment_deadline_passed,
                }[timer](context.now)
                await self._events.append(order, context=context)

    async def _expire(self, claim: Claim) -> None:
        account_id = claim.account_id
        streams = await self._events.load(claim.subject_id, order_id(claim.subject_id), account_id)
        quote, account = streams.require(Quote, claim.subject_id), streams.require(BillingAccount, account_id)
        context = await self._context(claim, quote)
        if quote.state is not QuoteState.OPEN or context.now < quote.valid_until:
            return
        quote.expire(ExpiryCause.VALID_UNTIL, context.now)
        ended = ended_with(quote, account, streams, "quote expired", context.now)
        unchanged = still_without_draft(quote, ended)
        await self._events.append(quote, account, *ended, context=context, unchanged=unchanged)

    async def _end_subscription(self, claim: Claim) -> None:
        subscription = (await self._events.load(claim.subject_id)).require(Subscription, claim.subject_id)
        account = (await self._events.load(subscription.account_id)).require(BillingAccount, subscription.account_id)
        context = await self._context(claim, subscription)
        subscription.end(business_day(context.now, account.time_zone), context.now)
        await self._events.append(subscription, context=context)

    async def _context(self, claim: Claim, subject: LedgerAggregate) -> CommandContext:
        return await worker_context(ACTOR, claim, subject, claim.work, self._clock)
