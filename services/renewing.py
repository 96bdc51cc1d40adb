"""A subscription's terms: renewed, to be cancelled with its term, ended. An open quote on it does not outlive that."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

from domain.account import BillingAccount
from domain.identifiers import order_id
from domain.ledger import LedgerAggregate
from domain.pricing import Term
from domain.quote import ExpiryCause, Quote
from domain.subscription import Subscription
from services.deciding import decided
from services.ports import CommandContext, EventStore, Outcome, VersionConflict
from services.quoting import ended_with, still_without_draft


class Renewing:
    """Commands on a subscription's term."""

    def __init__(self, events: EventStore) -> None:
        """Work on this store."""
        self._events = events

    async def renew(self, id: UUID, term_end: date, unit_price: int | None, context: CommandContext) -> Outcome:
        """Begin the term after the present one, until `term_end`, at another price if one is given."""

        def renew(subscription: Subscription) -> None:
            price = subscription.unit_price if unit_price is None else unit_price
            subscription.renew(Term(subscription.term.end, term_end), price, context.now)

        return await self._change(id, ExpiryCause.RENEWAL, renew, context)

    async def cancel(self, id: UUID, reason: str, context: CommandContext) -> Outcome:
        """Let the subscription end with its term."""
        return await self._change(
            id,
            ExpiryCause.CANCELLATION,
            lambda subscription: subscription.schedule_cancellation(reason, context.now),
            context,
        )

    async def _change(
        self, id: UUID, cause: ExpiryCause, change: Callable[[Subscription], None], context: CommandContext
    ) -> Outcome:
        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            subscription = streams.require(Subscription, id)
            account = (await self._events.load(subscription.account_id)).require(
                BillingAccount, subscription.account_id
            )
            change(subscription)
            ended: list[LedgerAggregate] = []
            # The account is named even if no quote ends: one issued meanwhile on this subscription must not survive.
            unchanged: tuple[LedgerAggregate | UUID, ...] = (account,)
            open_quote_id = account.open_quote_id
            if open_quote_id:
                others = await self._events.load(account.id, open_quote_id, order_id(open_quote_id))
                account = others.require(BillingAccount, account.id)  # as of the same moment as its quote
                if account.open_quote_id != open_quote_id:
                    raise VersionConflict
                quote = others.require(Quote, open_quote_id)
                if any(line.subscription_id == id for line in quote.lines):
                    quote.expire(cause, context.now)
                    drafts = ended_with(quote, account, others, f"quote expired: {cause}", context.now)
                    ended, unchanged = [quote, *drafts, account], still_without_draft(quote, drafts)
            return await self._events.append(subscription, *ended, context=context, unchanged=unchanged)

        return await decided(attempt)
