"""Two at the same moment, many times: whoever is first in the log decides, and never do both win against it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.bootstrap import opened_ledger
from adapters.event_mapping import decoded
from adapters.ledger import Ledger
from adapters.settings import Settings
from domain.account import BillingAccount, RestrictionReason
from domain.envelope import Actor, Role
from domain.identifiers import account_id, command_id, subscription_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from domain.quote import CartLine, Quote
from domain.refusals import Conflict, NotEligibleForSelfService, OpenQuoteChanged, QuoteNotOpen, Refusal
from services.accounts import StartSubscription
from services.ordering import PlaceServiceOrder
from services.ports import CommandContext, Outcome
from services.quoting import IssueQuote
from services.vault_records import RequestContext
from tests.system.customers import _company
from tests.system.test_concurrency import most_open_at_once

pytestmark = pytest.mark.system

ADMIN = Actor("p-anna", Role.BILLING_ADMIN)
ACCOUNT = account_id("A-1")
X = subscription_id("S-1")


@pytest.fixture
async def two(ledger_url: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """Two writers at one ledger, as two processes have them, with one company."""
    settings = Settings(sandbox=True)
    async with opened_ledger(settings, ledger_url) as one, opened_ledger(settings, ledger_url) as other:
        await _company(one, "A-1", "tok_visa", ("S-1", "goto_meeting"))
        yield one, other


async def _context(ledger: Ledger, ahead: timedelta = timedelta()) -> CommandContext:
    id = command_id(ACCOUNT, ADMIN.id, str(uuid4()))
    return CommandContext(id, ADMIN, await ledger.clock.now() + ahead, id, id)


class Race:
    """Two commands at one moment, again and again.

    Who won starts half a millisecond later in the next round. So both win on a fast machine and on a slow
    one, and most rounds are close.
    """

    def __init__(self) -> None:
        self.head_start = 0.0  # seconds by which the second starts before the first
        self.won: Counter[str] = Counter()

    async def run(self, first: Awaitable[Outcome], second: Awaitable[Outcome]) -> list[Outcome | Refusal]:
        """What came of each; anything but an outcome or a refusal is an error."""
        ends = await asyncio.gather(
            _after(self.head_start, first), _after(-self.head_start, second), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, Refusal):
                raise end
        return [end for end in ends if isinstance(end, Outcome | Refusal)]

    def count(self, winner: str, *, is_the_first: bool) -> None:
        self.won[winner] += 1
        self.head_start += 0.0005 if is_the_first else -0.0005


async def _after(seconds: float, command: Awaitable[Outcome]) -> Outcome:
    await asyncio.sleep(max(seconds, 0))
    return await command


async def _history(ledger: Ledger, account: UUID = ACCOUNT) -> list[LedgerEvent]:
    query = "SELECT topic, state FROM ledger.events WHERE account_id = %s ORDER BY notification_id"
    async with ledger.pool.connection() as connection:
        rows = await (await connection.execute(query, (account,))).fetchall()
    return [decoded(topic, state) for topic, state in rows]


async def test_a_cart_on_one_subscription_and_another_on_the_next_a_thousand_times(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    race = Race()
    for number in range(10):
        await _company(one, f"B-{number}", "tok_visa", (f"X-{number}", "goto_meeting"), (f"Y-{number}", "goto_webinar"))
        account, x, y = account_id(f"B-{number}"), subscription_id(f"X-{number}"), subscription_id(f"Y-{number}")
        open_quote: UUID | None = None
        for _ in range(100):
            first, second = await race.run(
                one.quoting.issue(IssueQuote(account, (CartLine(x, 1),), open_quote), await _context(one)),
                other.quoting.issue(IssueQuote(account, (CartLine(y, 1),), open_quote), await _context(other)),
            )
            won = [end for end in (first, second) if isinstance(end, Outcome)]
            lost = [end for end in (first, second) if isinstance(end, Refusal)]
            assert len(won) == 1, "both replaced the same open quote"
            assert all(isinstance(end, OpenQuoteChanged | Conflict) for end in lost), lost
            first_won = isinstance(first, Outcome)
            race.count("one" if first_won else "other", is_the_first=first_won)
            open_quote = won[0].id
        assert most_open_at_once(await _history(one, account)) == 1
        assert (await one.events.load(account)).require(BillingAccount, account).open_quote_id == open_quote
    assert min(race.won["one"], race.won["other"]) > 100, "now the one wins, now the other"


async def _prepared(ledger: Ledger, subscription: UUID) -> Outcome:
    quote = await ledger.quoting.issue(IssueQuote(ACCOUNT, (CartLine(subscription, 1),), None), await _context(ledger))
    return await ledger.ordering.prepare(quote.id, await _context(ledger))


def _placing(prepared: Outcome) -> PlaceServiceOrder:
    context = RequestContext(ip="127.0.0.1", user_agent="test")
    return PlaceServiceOrder(prepared.id, prepared.version, "2026-01", None, context)


async def test_a_restriction_that_races_with_place_is_never_passed_by(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    today = (await one.clock.now()).date()
    race = Race()
    for number in range(120):
        id = subscription_id(f"R-{number}")
        start = StartSubscription(
            ACCOUNT, f"R-{number}", "goto_meeting", 10, 22800, today - timedelta(days=60), today + timedelta(days=300)
        )
        await one.accounts.start_subscription(start, await _context(one))
        prepared = await _prepared(one, id)
        end, restricted = await race.run(
            one.ordering.place(_placing(prepared), await _context(one)),
            other.accounts.restrict_self_service(ACCOUNT, RestrictionReason.PAYMENT_DISPUTE, await _context(other)),
        )
        assert isinstance(restricted, Outcome), "a restriction is never refused"
        if isinstance(end, Refusal):
            assert isinstance(end, NotEligibleForSelfService), end
            quote = (await one.events.load(ACCOUNT)).require(BillingAccount, ACCOUNT).open_quote_id
            assert quote is not None
            await one.quoting.decline(quote, await _context(one))
            race.count("restriction", is_the_first=False)
        else:
            race.count("place", is_the_first=True)
        await one.accounts.allow_self_service(ACCOUNT, await _context(one))
    assert min(race.won["place"], race.won["restriction"]) > 5, race.won
    assert placed_while_restricted(await _history(one)) == []


def placed_while_restricted(history: list[LedgerEvent]) -> list[UUID]:
    """Orders that the log has after a restriction and before its end."""
    found, restricted = [], False
    for event in history:
        if isinstance(event, BillingAccount.SelfServiceRestricted | BillingAccount.SelfServiceAllowed):
            restricted = isinstance(event, BillingAccount.SelfServiceRestricted)
        elif isinstance(event, ServiceOrder.OrderPlaced) and restricted:
            found.append(event.originator_id)
    return found


async def test_the_proof_would_see_an_order_after_the_restriction(two: tuple[Ledger, Ledger]) -> None:
    one, _ = two
    prepared = await _prepared(one, X)
    await one.ordering.place(_placing(prepared), await _context(one))
    await one.accounts.restrict_self_service(ACCOUNT, RestrictionReason.PAYMENT_DISPUTE, await _context(one))
    history: list[Any] = await _history(one)
    assert placed_while_restricted(history) == []
    history.insert(0, history.pop())
    assert placed_while_restricted(history) == [prepared.id]


async def race_prepare_with_the_end_of_its_quote(one: Ledger, other: Ledger, rounds: int) -> Counter[str]:
    """Prepare a quote's order while it is declined or superseded; which of the two was first, and how often."""
    race = Race()
    open_quote: UUID | None = None
    for number in range(rounds):
        issue = IssueQuote(ACCOUNT, (CartLine(X, 1),), open_quote)
        quote = (await one.quoting.issue(issue, await _context(one))).id
        supersede = IssueQuote(ACCOUNT, (CartLine(X, 2),), quote)
        context = await _context(other)
        declines = number % 4 >= 2
        prepared, ended = await race.run(
            one.ordering.prepare(quote, await _context(one)),
            other.quoting.decline(quote, context) if declines else other.quoting.issue(supersede, context),
        )
        assert isinstance(ended, Outcome), ended
        assert isinstance(prepared, Outcome | QuoteNotOpen), prepared
        was_prepared = isinstance(prepared, Outcome)
        race.count("prepare" if was_prepared else "end", is_the_first=was_prepared)
        open_quote = None if declines else ended.id
    return race.won


def drafts_without_a_quote(history: list[LedgerEvent]) -> list[UUID]:
    """Orders that are drafts for ever: their quote has ended, and they were not cancelled with it."""
    ended: set[UUID] = set()
    drafts: dict[UUID, UUID] = {}
    for event in history:
        if isinstance(event, Quote.QuoteDeclined | Quote.QuoteExpiredBySupersession):
            ended.add(event.originator_id)
        elif isinstance(event, ServiceOrder.ServiceOrderPrepared):
            drafts[event.originator_id] = event.quote_id
        elif isinstance(event, ServiceOrder.OrderCancelled):
            del drafts[event.originator_id]
    return [order for order, quote in drafts.items() if quote in ended]


async def test_no_draft_survives_a_quote_that_ends_while_it_is_prepared(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    first = await race_prepare_with_the_end_of_its_quote(one, other, 100)
    assert min(first["prepare"], first["end"]) > 5, first
    assert drafts_without_a_quote(await _history(one)) == []


async def test_a_renewal_that_races_with_place_never_finds_its_quote_placed_after_it(
    two: tuple[Ledger, Ledger],
) -> None:
    one, other = two
    today = (await one.clock.now()).date()
    race = Race()
    for number in range(60):
        id = subscription_id(f"N-{number}")
        ends = today + timedelta(days=300)
        start = StartSubscription(ACCOUNT, f"N-{number}", "goto_meeting", 10, 22800, today - timedelta(days=60), ends)
        await one.accounts.start_subscription(start, await _context(one))
        prepared = await _prepared(one, id)
        end, renewed = await race.run(
            one.ordering.place(_placing(prepared), await _context(one)),
            other.renewing.renew(id, ends + timedelta(days=365), None, await _context(other)),
        )
        assert isinstance(renewed, Outcome)
        order = (await one.events.load(prepared.id)).require(ServiceOrder, prepared.id)
        if isinstance(end, Refusal):
            race.count("renewal", is_the_first=False)
            assert order.state == "Cancelled", end
        else:
            race.count("place", is_the_first=True)
            assert order.lines[0].term.end == ends, "an order under way keeps its lines"
    assert min(race.won["place"], race.won["renewal"]) > 5, race.won
