"""The plain model's workers and clock: how an order goes on by itself, and what time alone does."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from tests.model.amounts import day_of
from tests.model.books import PlainOrder
from tests.model.people import PlainAccount

_GOOD_CARDS: Final = {"tok_visa"}


def turned(account: PlainAccount, answer: str | None) -> None:
    """Each order on the list goes on as far as it can; `answer` is what the first call about seats is told."""
    answers = [answer] if answer else []
    for order in list(account.todo):
        _Turn(account, order, answers).go()


class _Turn:
    """One turn at one order."""

    def __init__(self, account: PlainAccount, order: PlainOrder, answers: list[str]) -> None:
        self.account, self.order, self.answers = account, order, answers

    def go(self) -> None:
        order = self.order
        if order.state == "Completed":
            order.refunded, order.refund_due = order.refunded + order.refund_due, 0
            self._leave_list()
            return
        if not order.is_off and not (order.called_off and order.unanswered) and order.state == "Placed":
            self._hold()
        if order.state == "Authorised" and not order.called_off and self._hold_is_good():
            self._ask_for_seats()
        if order.is_off:
            if self._shut_out():
                self._cancel()
        elif order.called_off and order.unanswered:
            if self._shut_out():
                for line in order.unanswered:
                    self.account.answered(order, line, "rejected")
                self.go()
        elif order.state in {"Provisioned", "PartlyProvisioned"} and self._hold_is_good():
            self._charge()

    def _next_answer(self) -> str:
        return self.answers.pop(0) if self.answers else "grant"

    def _leave_list(self) -> None:
        self.account.todo.remove(self.order)

    # --- money -----------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        order = self.order
        if order.card not in _GOOD_CARDS:
            self._wait_for_card()
            return
        order.held, order.held_until = order.wanted, self.account.now + timedelta(days=7)
        order.state = "Authorised"
        self.account.moved_on_if_answered(order)

    def _hold_is_good(self) -> bool:
        """A hold in its last day is given back for a new one; one that is gone needs a card."""
        order, now = self.order, self.account.now
        assert order.held_until
        if now >= order.held_until:
            self._wait_for_card()
            return False
        if now >= order.held_until - timedelta(days=1):
            order.state = "Placed"
            self._hold()
        return order.state != "PaymentDeclined"

    def _wait_for_card(self) -> None:
        order, account = self.order, self.account
        account.ticks += 1
        order.state, order.held, order.held_until, order.waits_since = "PaymentDeclined", 0, None, account.ticks
        order.pay_until = account.now + timedelta(days=7)
        self._leave_list()

    def _charge(self) -> None:
        order, account = self.order, self.account
        order.captured, order.held, order.held_until = sum(line.gross for line in order.with_seats), 0, None
        year = day_of(account.now).year
        number = account.receipts_of_year[year] = account.receipts_of_year.get(year, 0) + 1
        order.state, order.receipt = "Completed", f"SL-DE-{year}-{number:06d}"
        order.care -= {"not_paid", "order_delayed", "order_overdue"}
        self._leave_list()

    # --- seats -----------------------------------------------------------------------------------------------------

    def _ask_for_seats(self) -> None:
        for line in self.order.unanswered:
            answer = self._next_answer()
            if answer != "pending":
                self.account.answered(self.order, line, "rejected" if answer == "reject" else "provisioned")

    def _shut_out(self) -> bool:
        """Whether the seats that nobody wants any more can't come; a call that hangs leaves that open."""
        return all(self._next_answer() != "pending" for _ in self.order.unanswered)

    def _cancel(self) -> None:
        order = self.order
        for line in order.unanswered:
            self.account.subscriptions[line.subscription].on_order = None
        order.state, order.held, order.held_until, order.pay_until = "Cancelled", 0, None, None
        order.care -= {"not_paid", "order_delayed", "order_overdue"}
        self._leave_list()


def rung(account: PlainAccount) -> None:
    """What is due by the clock."""
    account.expire_open_quote()
    for subscription in account.subscriptions.values():
        # The clock rings at midnight UTC, a little after midnight in Berlin; orders are refused by the date, at once.
        rings = account.now >= datetime.combine(subscription.end, time(), UTC)
        if subscription.state == "PendingCancellation" and rings and day_of(account.now) >= subscription.end:
            subscription.state = "Ended"
    for order in account.orders.values():
        if order.is_under_way and order.due:
            _ring_late(order, order.due, account.now)
    waiting = [order for order in account.orders.values() if order.state == "PaymentDeclined"]
    for order in sorted(waiting, key=lambda each: each.waits_since):
        if order.pay_until and account.now >= order.pay_until:
            order.pay_until = None
            order.care.add("not_paid")
            if not order.with_seats and not order.called_off:
                order.called_off = True
                account.put_on_list(order)


def _ring_late(order: PlainOrder, due: datetime, now: datetime) -> None:
    if now >= due and not order.overdue:
        order.delayed = order.overdue = True
        order.care.discard("order_delayed")
        order.care.add("order_overdue")
    elif now >= due - timedelta(hours=4) and not order.delayed:
        order.delayed = True
        order.care.add("order_delayed")
