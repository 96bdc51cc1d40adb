"""Any order of commands, work and time on one account: the real services and the plain model must agree on each step."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.account import RestrictionReason
from domain.envelope import Actor, Role
from domain.quote import CartLine, QuoteOrigin
from domain.refusals import Refusal
from services.fulfilment import StillWaiting
from services.ports import Outcome
from services.quoting import IssueQuote
from tests.model.books import Refused
from tests.model.facts import Expected, Observed
from tests.model.people import PlainAccount
from tests.model.workers import rung, turned
from tests.world import ACCOUNT, ADMIN, ASSIST, MEETING, NOON, OPERATOR, REP, World, kept

CARE: Final = Actor("p-care", Role.ACCOUNT_SERVICES)
IDS: Final = {"meeting": MEETING, "assist": ASSIST}

nth = st.integers(0, 3)
"""Which one: 0 is the newest."""

subscriptions = st.sampled_from(["meeting", "assist"])
carts = st.dictionaries(subscriptions, st.integers(0, 4) | st.integers(1, 4), min_size=1, max_size=2)
rep_prices = st.sampled_from([19900, 21501])


class AccountMachine(RuleBasedStateMachine):
    """One account, its model beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.run(self.world.customer())
        self.model = PlainAccount(NOON, tuple(IDS))
        self.quotes: dict[str, UUID] = {}
        self.orders: dict[str, UUID] = {}
        self.expected = Expected(self.model, self.quotes, self.orders)
        self.observed = Observed(self.world)

    def teardown(self) -> None:
        self.loop.close()

    def run(self, what: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(what)

    def both(self, plain: Callable[[], None], real: Callable[[], Awaitable[Outcome]]) -> Outcome | None:
        """Do it in both; either both do it, or both refuse it with the same code."""
        plain_code = real_code = outcome = None
        try:
            plain()
        except Refused as refused:
            plain_code = refused.code
        try:
            outcome = self.run(real())
        except Refusal as refusal:
            real_code = refusal.code
        assert real_code == plain_code, f"the ledger says {real_code or 'yes'}, the model {plain_code or 'yes'}"
        return outcome

    # --- quotes ----------------------------------------------------------------------------------------------------

    def _replaced(self, *, rightly: bool) -> str | None:
        """The open quote, or rather one that is not."""
        if rightly:
            return self.model.open_quote
        return next((name for name in reversed(self.quotes) if name != self.model.open_quote), None)

    def _id(self, quote: str | None) -> UUID | None:
        return self.quotes[quote] if quote else None

    def _issued(self, plain: Callable[[], None], real: Callable[[], Awaitable[Outcome]]) -> None:
        outcome = self.both(plain, real)
        if outcome:
            self.quotes[str(len(self.quotes) + 1)] = outcome.id

    @rule(cart=carts, rightly=st.sampled_from([True, True, True, False]), acknowledged=st.booleans())
    def save_cart(self, cart: dict[str, int], rightly: bool, acknowledged: bool) -> None:
        replaces = self._replaced(rightly=rightly)
        lines = tuple(CartLine(IDS[name], seats) for name, seats in cart.items())
        command = IssueQuote(ACCOUNT, lines, self._id(replaces), acknowledged)
        self._issued(
            lambda: self.model.save_cart(
                [(name, seats, None) for name, seats in cart.items()],
                replaces,
                by_sales_rep=False,
                acknowledged=acknowledged,
            ),
            lambda: self.world.quoting.issue(command, self.world.context(ADMIN)),
        )

    @rule(name=subscriptions, seats=st.integers(1, 4), unit_price=rep_prices, acknowledged=st.booleans())
    def save_cart_of_a_sales_rep(self, name: str, seats: int, unit_price: int, acknowledged: bool) -> None:
        replaces = self.model.open_quote
        line = CartLine(IDS[name], seats, unit_price)
        command = IssueQuote(ACCOUNT, (line,), self._id(replaces), acknowledged, QuoteOrigin.SALES_REP)
        self._issued(
            lambda: self.model.save_cart(
                [(name, seats, unit_price)], replaces, by_sales_rep=True, acknowledged=acknowledged
            ),
            lambda: self.world.quoting.issue(command, self.world.context(REP)),
        )

    @precondition(lambda self: self.quotes)
    @rule(nth=nth, acknowledged=st.booleans())
    def quote_again(self, nth: int, acknowledged: bool) -> None:
        name, replaces = _newest(self.quotes, nth), self.model.open_quote
        self._issued(
            lambda: self.model.quote_again(name, replaces, acknowledged=acknowledged),
            lambda: self.world.quoting.issue_again(
                self.quotes[name],
                self._id(replaces),
                acknowledge_sales_rep_quote=acknowledged,
                context=self.world.context(),
            ),
        )

    @precondition(lambda self: self.quotes)
    @rule(nth=nth)
    def decline(self, nth: int) -> None:
        name = _newest(self.quotes, nth)
        self.both(
            lambda: self.model.decline(name),
            lambda: self.world.quoting.decline(self.quotes[name], self.world.context()),
        )

    # --- orders ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.quotes)
    @rule(nth=nth)
    def prepare(self, nth: int) -> None:
        name = _newest(self.quotes, nth)
        outcome = self.both(
            lambda: self.model.prepare(name),
            lambda: self.world.ordering.prepare(self.quotes[name], self.world.context()),
        )
        if outcome:
            assert self.orders.setdefault(name, outcome.id) == outcome.id

    def _version(self, name: str) -> int:
        version: int = self.run(self.world.events.version_of(self.orders[name]))
        return version

    def _place(self, name: str) -> None:
        command = self.world.placing(self.orders[name], self._version(name))
        self.both(
            lambda: self.model.place(name),
            lambda: self.world.ordering.place(command, self.world.context()),
        )

    @precondition(lambda self: self.orders)
    @rule(nth=nth)
    def place(self, nth: int) -> None:
        self._place(_newest(self.orders, nth))

    @precondition(lambda self: self.model.open_quote)
    @rule()
    def order_what_is_open(self) -> None:
        """The straight way, so that many lives come to an order."""
        name = self.model.open_quote
        assert name
        self.prepare(nth=list(reversed(self.quotes)).index(name))
        if name in self.orders:
            self._place(name)

    @precondition(lambda self: self.orders)
    @rule(nth=nth)
    def pay(self, nth: int) -> None:
        name = _newest(self.orders, nth)
        self.both(
            lambda: self.model.pay(name),
            lambda: self.world.ordering.pay(self.orders[name], self.world.context()),
        )

    @precondition(lambda self: self.orders)
    @rule(nth=nth, card=st.sampled_from(["tok_visa", "tok_visa", "tok_declined", "tok_insufficient_funds"]))
    def change_card(self, nth: int, card: str) -> None:
        name = _newest(self.orders, nth)
        version = self._version(name)
        self.both(
            lambda: self.model.change_card(name, card),
            lambda: self.world.ordering.change_payment_method(
                self.orders[name], version, card, self.world.context()
            ),
        )

    @precondition(lambda self: self.orders)
    @rule(nth=nth)
    def cancel_order(self, nth: int) -> None:
        name = _newest(self.orders, nth)
        self.both(
            lambda: self.model.cancel(name),
            lambda: self.world.ordering.cancel(self.orders[name], "customer_request", self.world.context(CARE)),
        )

    @precondition(lambda self: self.orders)
    @rule(nth=nth, subscription=subscriptions)
    def release(self, nth: int, subscription: str) -> None:
        name = _newest(self.orders, nth)
        self.both(
            lambda: self.model.release(name, subscription),
            lambda: self.world.ordering.release(self.orders[name], IDS[subscription], self.world.context(CARE)),
        )

    @precondition(lambda self: self.orders)
    @rule(nth=nth, amount=st.sampled_from([None, 1, 100, 10_000_000]))
    def refund(self, nth: int, amount: int | None) -> None:
        name = _newest(self.orders, nth)
        self.both(
            lambda: self.model.refund(name, amount),
            lambda: self.world.ordering.refund(self.orders[name], amount, "goodwill", self.world.context(CARE)),
        )

    # --- subscriptions and the account -----------------------------------------------------------------------------

    @rule(name=subscriptions, unit_price=st.sampled_from([None, 24000]))
    def renew(self, name: str, unit_price: int | None) -> None:
        until = self.model.subscriptions[name].end + timedelta(days=365)
        self.both(
            lambda: self.model.renew(name, unit_price),
            lambda: self.world.renewing.renew(IDS[name], until, unit_price, self.world.context(CARE)),
        )

    @rule(name=subscriptions)
    def cancel_subscription(self, name: str) -> None:
        self.both(
            lambda: self.model.cancel_subscription(name),
            lambda: self.world.renewing.cancel(IDS[name], "customer_request", self.world.context(CARE)),
        )

    @rule()
    def restrict(self) -> None:
        reason = RestrictionReason.PAYMENT_DISPUTE
        self.model.restricted = True
        self.run(self.world.accounts.restrict_self_service(ACCOUNT, reason, self.world.context(OPERATOR)))

    @precondition(lambda self: self.model.restricted)
    @rule()
    def allow(self) -> None:
        self.model.restricted = False
        self.run(self.world.accounts.allow_self_service(ACCOUNT, self.world.context(OPERATOR)))

    # --- clock and workers -----------------------------------------------------------------------------------------

    def _move(self, by: timedelta) -> None:
        self.world.clock.move(by)
        self.model.now += by

    @rule(hours=st.sampled_from([1, 5, 20, 24]), rings=st.booleans())
    def hours_pass(self, hours: int, rings: bool) -> None:
        self._pass(timedelta(hours=hours), rings=rings)

    @rule(days=st.sampled_from([1, 3, 6, 8, 31, 100]), rings=st.booleans())
    def days_pass(self, days: int, rings: bool) -> None:
        self._pass(timedelta(days=days), rings=rings)

    def _pass(self, by: timedelta, *, rings: bool) -> None:
        """Timers ring late now and then, so that commands meet what should have ended."""
        self._move(by)
        if rings:
            self.run(self._ring())
            rung(self.model)

    async def _ring(self) -> None:
        for claim in await self.world.due.claim("worker", 1000, 30):
            await self.world.timers.carry_on(claim, kept)
            await self.world.due.release(claim, 0)

    @rule(answer=st.sampled_from([None, None, "reject", "pending"]))
    def work(self, answer: str | None) -> None:
        self.run(self._work(answer))
        turned(self.model, answer)

    async def _work(self, answer: str | None) -> None:
        if answer:
            await self.world.script.plan("provisioning.set_seats", "before", answer)
        for claim in await self.world.todo.claim("worker", 1000, 30):
            try:
                await self.world.fulfilment.carry_on(claim, kept)
            except StillWaiting:
                assert answer == "pending"
            await self.world.todo.release(claim, 0)
        await self.world.script.clear("provisioning.set_seats")

    # --- what must be so after each step ---------------------------------------------------------------------------

    @invariant()
    def model_and_ledger_agree(self) -> None:
        self.run(self._agree())

    async def _agree(self) -> None:
        model, observed, expected = self.model, self.observed, self.expected
        await observed.look()
        told = expected.by_id(IDS)
        assert {id: observed.by_id.get(id) for id in told} == told
        assert observed.care == expected.care()
        assert len(observed.receipts) == len(set(observed.receipts)) == sum(model.receipts_of_year.values())
        assert sum(quote["state"] == "Open" for quote in self._those(self.quotes)) <= 1
        if model.orders:
            await self._money_and_seats_agree()

    async def _money_and_seats_agree(self) -> None:
        model, observed, expected = self.model, self.observed, self.expected
        assert await observed.money() == expected.money()
        known = await observed.provisioned()
        assert known == {id: observed.by_id[id]["seats"] for id in known}
        for name, id in self.orders.items():
            order = await self.world.order(id)
            gross = sum(line.gross for line in model.orders[name].lines)
            assert order.captured_amount <= order.authorised_amount <= gross

    def _those(self, ids: dict[str, UUID]) -> list[Any]:
        return [self.observed.by_id[id] for id in ids.values()]


def _newest(named: dict[str, UUID], nth: int) -> str:
    return list(named)[-1 - nth % len(named)]
