"""Commands, work and time in any order on one account: services and plain model must agree after each step."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from domain.account import RestrictionReason
from domain.quote import CartLine, QuoteOrigin
from services.fulfilment import StillWaiting
from services.ports import Outcome
from services.quoting import IssueQuote
from tests.model.beside import CARE, IDS, Beside
from tests.model.workers import rung, turned
from tests.world import ACCOUNT, ADMIN, OPERATOR, REP, kept

nth = st.integers(0, 3)
"""Which one: 0 is the newest."""

subscriptions = st.sampled_from(["meeting", "assist"])
good_carts = st.dictionaries(subscriptions, st.integers(1, 4), min_size=1, max_size=2)
carts = st.dictionaries(subscriptions, st.sampled_from([1, 2, 3, 4, 1, 2, 3, 0]), min_size=1, max_size=2)
cards = st.sampled_from(["tok_visa", "tok_declined", "tok_visa", "tok_insufficient_funds", "tok_visa", "tok_visa"])
answers = st.sampled_from([None, "pending", "reject", "pending"])
"""What the next call about seats is told; None: that they are there."""
ends = st.sampled_from(["worked on", "placed", "draft", "worked on"])
"""How far an order that is made at once comes."""

rep_prices = st.sampled_from([19900, 21501])


class AccountMachine(Beside):
    """What people, workers and the clock do; small arguments, mostly meant for the state that there is."""

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
    def save_cart(self, *, cart: dict[str, int], rightly: bool, acknowledged: bool) -> None:
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
    def save_cart_of_a_sales_rep(self, *, name: str, seats: int, unit_price: int, acknowledged: bool) -> None:
        replaces = self.model.open_quote
        line = CartLine(IDS[name], seats, unit_price)
        command = IssueQuote(ACCOUNT, (line,), self._id(replaces), acknowledged, QuoteOrigin.SALES_REP)
        self._issued(
            lambda: self.model.save_cart(
                [(name, seats, unit_price)], replaces, by_sales_rep=True, acknowledged=acknowledged
            ),
            lambda: self.world.quoting.issue(command, self.world.context(REP)),
        )

    def _quote(self, nth: int) -> str:
        """The open one first, then the newest."""
        names = [*reversed(self.quotes)]
        names.sort(key=lambda name: self.model.quotes[name].state != "Open")
        return names[nth % len(names)]

    @precondition(lambda self: self.quotes)
    @rule(nth=nth, acknowledged=st.booleans())
    def quote_again(self, *, nth: int, acknowledged: bool) -> None:
        name, replaces = self._quote(nth), self.model.open_quote
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
        name = self._quote(nth)
        self.both(
            lambda: self.model.decline(name),
            lambda: self.world.quoting.decline(self.quotes[name], self.world.context()),
        )

    # --- orders ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.quotes)
    @rule(nth=nth)
    def prepare(self, nth: int) -> None:
        name = self._quote(nth)
        outcome = self.both(
            lambda: self.model.prepare(name),
            lambda: self.world.ordering.prepare(self.quotes[name], self.world.context()),
        )
        if outcome:
            assert self.orders.setdefault(name, outcome.id) == outcome.id

    def has_order(self, *states: str) -> bool:
        """Whether one is in a state that the command is meant for; with three orders it is tried in any state."""
        return len(self.orders) > 2 or any(order.state in states for order in self.model.orders.values())

    def _order(self, nth: int, *states: str) -> str:
        """The newest first, and before all others those in these states, which the command is meant for."""
        names = [*reversed(self.orders)]
        names.sort(key=lambda name: self.model.orders[name].state not in states)
        return names[nth % len(names)]

    def _version(self, name: str) -> int:
        version: int = self.run(self.world.events.version_of(self.orders[name]))
        return version

    @precondition(lambda self: self.has_order("Prepared"))
    @rule(nth=nth)
    def place(self, nth: int) -> None:
        name = self._order(nth, "Prepared")
        command = self.world.placing(self.orders[name], self._version(name))
        self.both(
            lambda: self.model.place(name),
            lambda: self.world.ordering.place(command, self.world.context()),
        )

    @precondition(lambda self: self.has_order("Prepared"))
    @rule(nth=nth, days=st.sampled_from([1, 31, 45]))
    def place_after_days(self, nth: int, days: int) -> None:
        """No timer rang meanwhile."""
        self._move(timedelta(days=days))
        self.place(nth)

    @precondition(lambda self: self.has_order("Prepared") and not self.model.restricted)
    @rule(nth=nth)
    def place_while_restricted(self, nth: int) -> None:
        self.restrict()
        self.place(nth)

    @initialize(cart=good_carts, card=cards, until=ends, answer=answers)
    def begin_with_an_order(self, cart: dict[str, int], card: str, until: str, answer: str | None) -> None:
        self.order_at_once(cart, card, until, answer)

    @rule(cart=good_carts, card=cards, until=ends, answer=answers)
    def order_at_once(self, cart: dict[str, int], card: str, until: str, answer: str | None) -> None:
        """The straight way, so that many lives come to orders: a cart, its draft, a card, placed, worked on."""
        before = self.model.open_quote
        self.save_cart(cart=cart, rightly=True, acknowledged=True)
        if self.model.open_quote in {None, before}:
            return
        self.prepare(nth=0)
        self.change_card(nth=0, card=card)
        if until != "draft":
            self.place(nth=0)
        if until == "worked on" and self.model.todo:
            self.work(answer, days_later=0)

    @precondition(lambda self: self.has_order("PaymentDeclined"))
    @rule(nth=nth)
    def pay(self, nth: int) -> None:
        name = self._order(nth, "PaymentDeclined")
        self.both(
            lambda: self.model.pay(name),
            lambda: self.world.ordering.pay(self.orders[name], self.world.context()),
        )

    @precondition(lambda self: self.has_order("Prepared", "PaymentDeclined"))
    @rule(nth=nth, card=cards)
    def change_card(self, nth: int, card: str) -> None:
        name = self._order(nth, "Prepared", "PaymentDeclined")
        version = self._version(name)
        self.both(
            lambda: self.model.change_card(name, card),
            lambda: self.world.ordering.change_payment_method(self.orders[name], version, card, self.world.context()),
        )

    @precondition(lambda self: self.has_order("Placed", "Authorised", "PaymentDeclined"))
    @rule(nth=nth)
    def cancel_order(self, nth: int) -> None:
        name = self._order(nth, "Placed", "Authorised", "PaymentDeclined")
        self.both(
            lambda: self.model.cancel(name),
            lambda: self.world.ordering.cancel(self.orders[name], "customer_request", self.world.context(CARE)),
        )

    @precondition(lambda self: self.has_order("Authorised"))
    @rule(nth=nth, line=st.integers(0, 1))
    def release(self, nth: int, line: int) -> None:
        name = self._order(nth, "Authorised")
        order = self.model.orders[name]
        lines = order.unanswered or order.lines
        subscription = lines[line % len(lines)].subscription
        self.both(
            lambda: self.model.release(name, subscription),
            lambda: self.world.ordering.release(self.orders[name], IDS[subscription], self.world.context(CARE)),
        )

    @precondition(lambda self: self.has_order("Completed"))
    @rule(nth=nth, amount=st.sampled_from([None, 1, 100, 10_000_000]))
    def refund(self, nth: int, amount: int | None) -> None:
        name = self._order(nth, "Completed")
        self.both(
            lambda: self.model.refund(name, amount),
            lambda: self.world.ordering.refund(self.orders[name], amount, "goodwill", self.world.context(CARE)),
        )

    # --- subscriptions and the account -----------------------------------------------------------------------------

    @precondition(lambda self: len(self.quotes) > 1)
    @rule(name=subscriptions, unit_price=st.sampled_from([None, 24000]))
    def renew(self, name: str, unit_price: int | None) -> None:
        until = self.model.subscriptions[name].end + timedelta(days=365)
        self.both(
            lambda: self.model.renew(name, unit_price),
            lambda: self.world.renewing.renew(IDS[name], until, unit_price, self.world.context(CARE)),
        )

    @precondition(lambda self: len(self.quotes) > 2)
    @rule(name=subscriptions)
    def cancel_subscription(self, name: str) -> None:
        self.both(
            lambda: self.model.cancel_subscription(name),
            lambda: self.world.renewing.cancel(IDS[name], "customer_request", self.world.context(CARE)),
        )

    @precondition(lambda self: self.quotes)
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
    def hours_pass(self, *, hours: int, rings: bool) -> None:
        self._pass(timedelta(hours=hours), rings=rings)

    @rule(days=st.sampled_from([1, 3, 6, 8, 31, 100]), rings=st.booleans())
    def days_pass(self, *, days: int, rings: bool) -> None:
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

    @precondition(lambda self: self.model.todo)
    @rule(answer=answers, days_later=st.sampled_from([0, 8, 6, 0]))
    def work(self, answer: str | None, days_later: int) -> None:
        """One turn of a worker, who may come so late that holds have ended."""
        self._move(timedelta(days=days_later))
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
