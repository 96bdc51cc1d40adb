"""The plain model's commands: what people may ask of the account, and what is then so."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.model.amounts import begin_of, day_of, price
from tests.model.books import PlainLine, PlainOrder, PlainQuote, PlainSubscription, refuse


class PlainAccount:
    """One German account that pays by card. Names stand for ids: a quote is called by its number, 1, 2, 3 ..."""

    def __init__(self, now: datetime, days_left: Mapping[str, int]) -> None:
        """`days_left`: of each subscription's term of 365 days."""
        self.now = now
        ends = {name: day_of(now) + timedelta(days=left) for name, left in days_left.items()}
        self.subscriptions = {
            name: PlainSubscription(name, end - timedelta(days=365), end) for name, end in ends.items()
        }
        self.quotes: dict[str, PlainQuote] = {}
        self.orders: dict[str, PlainOrder] = {}
        self.open_quote: str | None = None
        self.restricted = False
        self.todo: list[PlainOrder] = []
        self.receipts_of_year: dict[int, int] = {}
        self.ticks = 0

    # --- quotes ----------------------------------------------------------------------------------------------------

    def save_cart(
        self, cart: list[tuple[str, int, int | None]], replaces: str | None, *, by_sales_rep: bool, acknowledged: bool
    ) -> None:
        if replaces != self.open_quote:
            refuse("OPEN_QUOTE_CHANGED")
        lines = [self._line(*each) for each in cart]
        if self.restricted and not by_sales_rep:
            refuse("NOT_ELIGIBLE_SELF_SERVICE")
        if replaces:
            if self.quotes[replaces].by_sales_rep and not acknowledged:
                refuse("SALES_REP_QUOTE_UNACKNOWLEDGED")
            self._end_open_quote("ExpiredBySupersession")
        name = str(len(self.quotes) + 1)
        valid_until = min([self.now + timedelta(days=30), *(begin_of(line.end) for line in lines)])
        self.quotes[name] = PlainQuote(name, by_sales_rep, lines, valid_until)
        self.open_quote = name

    def _line(self, name: str, seats: int, unit_price: int | None) -> PlainLine:
        if seats < 1:
            refuse("QUANTITY_INVALID")
        subscription, today = self.subscriptions[name], day_of(self.now)
        subscription.must_take_seats(today)
        start, end = subscription.start, subscription.end
        each = subscription.unit_price if unit_price is None else unit_price
        return PlainLine(name, seats, each, start, end, price(each, seats, today, start, end))

    def quote_again(self, name: str, replaces: str | None, *, acknowledged: bool) -> None:
        cart = [(line.subscription, line.seats, None) for line in self.quotes[name].lines]
        self.save_cart([*cart], replaces, by_sales_rep=False, acknowledged=acknowledged)

    def decline(self, name: str) -> None:
        self.quotes[name].must_be_open(self.now)
        self._end_open_quote("Declined")

    def _end_open_quote(self, state: str) -> None:
        """The quote's draft ends with it."""
        assert self.open_quote
        self.quotes[self.open_quote].state = state
        order = self.orders.get(self.open_quote)
        if order and order.state == "Prepared":
            order.state = "Cancelled"
        self.open_quote = None

    # --- orders ----------------------------------------------------------------------------------------------------

    def prepare(self, name: str) -> None:
        if name not in self.orders:
            quote = self.quotes[name]
            quote.must_be_open(self.now)
            self.orders[name] = PlainOrder(name, [PlainLine(**vars(line)) for line in quote.lines])

    def place(self, name: str) -> None:
        order, quote, today = self.orders[name], self.quotes[name], day_of(self.now)
        if order.state != "Prepared":
            refuse("ORDER_STATE")
        if self.restricted and not quote.by_sales_rep:
            refuse("NOT_ELIGIBLE_SELF_SERVICE")
        quote.must_be_open(self.now)
        for line in order.lines:
            self.subscriptions[line.subscription].must_take_seats(today)
        for line in order.lines:
            line.net = min(line.net, price(line.unit_price, line.seats, today, line.start, line.end))
            self.subscriptions[line.subscription].on_order = name, line.seats
        quote.state, self.open_quote = "Accepted", None
        order.state, order.due = "Placed", self.now + timedelta(hours=24)
        self.put_on_list(order)

    def change_card(self, name: str, card: str) -> None:
        order = self.orders[name]
        if order.state != "Prepared" and not order.is_payable:
            refuse("ORDER_STATE")
        order.card = card

    def pay(self, name: str) -> None:
        order = self.orders[name]
        if not order.is_payable:
            refuse("ORDER_NOT_PAYABLE")
        order.state, order.pay_until = "Placed", None
        self.put_on_list(order)

    def cancel(self, name: str) -> None:
        order = self.orders[name]
        must_be_paid = order.with_seats and (not order.unanswered or order.state == "PaymentDeclined")
        if not order.is_under_way or must_be_paid:
            refuse("ORDER_STATE")
        if not order.called_off:
            order.called_off = True
            self.put_on_list(order)

    def release(self, name: str, subscription: str) -> None:
        order = self.orders[name]
        must_be_paid = order.state == "PaymentDeclined" and order.with_seats  # then it can't be called off
        waits = order.state == "Authorised" or (order.is_under_way and order.called_off) or must_be_paid
        line = next((line for line in order.unanswered if line.subscription == subscription), None)
        if not waits or not line:
            refuse("ORDER_STATE")
        self.answered(order, line, "rejected")

    def refund(self, name: str, amount: int | None) -> None:
        order = self.orders[name]
        left = order.captured - order.refunded
        if order.state != "Completed" or order.refund_due or not left:
            refuse("ORDER_STATE")
        if amount is not None and amount > left:
            refuse("REFUND_AMOUNT")
        order.refund_due = left if amount is None else amount
        self.put_on_list(order)

    # --- subscriptions and the account -----------------------------------------------------------------------------

    def renew(self, name: str, unit_price: int | None) -> None:
        subscription = self._active(name)
        subscription.start, subscription.end = subscription.end, subscription.end + timedelta(days=365)
        subscription.unit_price = subscription.unit_price if unit_price is None else unit_price
        self._end_quote_on(name)

    def cancel_subscription(self, name: str) -> None:
        self._active(name).state = "PendingCancellation"
        self._end_quote_on(name)

    def _active(self, name: str) -> PlainSubscription:
        if self.subscriptions[name].state != "Active":
            refuse("SUBSCRIPTION_ENDING")
        return self.subscriptions[name]

    def _end_quote_on(self, name: str) -> None:
        if self.open_quote and any(line.subscription == name for line in self.quotes[self.open_quote].lines):
            self._end_open_quote("Expired")

    # --- what the workers and the clock need, too ------------------------------------------------------------------

    def expire_open_quote(self) -> None:
        if self.open_quote and self.now >= self.quotes[self.open_quote].valid_until:
            self._end_open_quote("Expired")

    def put_on_list(self, order: PlainOrder) -> None:
        if order not in self.todo:
            self.todo.append(order)

    def answered(self, order: PlainOrder, line: PlainLine, outcome: str) -> None:
        subscription = self.subscriptions[line.subscription]
        line.outcome, subscription.on_order = outcome, None
        if outcome == "provisioned":
            subscription.seats += line.seats
        else:
            order.care.add("seats_rejected")
        if order.state == "Authorised":
            self.moved_on_if_answered(order)

    def moved_on_if_answered(self, order: PlainOrder) -> None:
        if not order.unanswered:
            order.state = "Provisioned" if len(order.with_seats) == len(order.lines) else "PartlyProvisioned"
