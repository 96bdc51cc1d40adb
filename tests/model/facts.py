"""The same facts told by the plain model, by the aggregates, by the portal's rows and by the gateways' own books."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from adapters.payments.sandbox import MovementKind
from domain.account import BillingAccount
from domain.order import ServiceOrder
from domain.quote import Quote
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription
from projections.care import care
from projections.fold import RowKey
from projections.portal import AccountRow, OrderRow, QuoteRow, SubscriptionRow, portal
from tests.model.books import PlainOrder, PlainQuote, PlainSubscription
from tests.model.people import PlainAccount
from tests.world import ACCOUNT, World

Facts = Mapping[str, Any]


class Expected:
    """The model's facts; `ids` says which quote and order a name stands for, `subscriptions` which subscription."""

    def __init__(self, model: PlainAccount, quotes: Mapping[str, UUID], orders: Mapping[str, UUID]) -> None:
        self.model, self.quotes, self.orders = model, quotes, orders

    def by_id(self, subscriptions: Mapping[str, UUID]) -> dict[UUID, Facts]:
        model = self.model
        account = {"open": self.quotes[model.open_quote] if model.open_quote else None, "restricted": model.restricted}
        return {
            ACCOUNT: account,
            **{self.quotes[name]: self._quote(quote, subscriptions) for name, quote in model.quotes.items()},
            **{self.orders[name]: self._order(order, subscriptions) for name, order in model.orders.items()},
            **{subscriptions[name]: self._subscription(each) for name, each in model.subscriptions.items()},
        }

    @staticmethod
    def _quote(quote: PlainQuote, subscriptions: Mapping[str, UUID]) -> Facts:
        net, tax = sum(line.net for line in quote.lines), sum(line.tax for line in quote.lines)
        return {
            "state": quote.state,
            "lines": [(subscriptions[line.subscription], line.seats, line.net, line.tax) for line in quote.lines],
            "totals": (net, tax, net + tax),
            "valid_until": quote.valid_until,
        }

    @staticmethod
    def _order(order: PlainOrder, subscriptions: Mapping[str, UUID]) -> Facts:
        return {
            "state": order.state,
            "lines": [(subscriptions[line.subscription], line.seats, line.net, line.tax) for line in order.lines],
            "outcomes": {subscriptions[line.subscription]: line.outcome for line in order.lines if line.outcome},
            "captured": order.captured - order.refunded,
            "receipt": order.receipt,
            "called_off": order.called_off or order.state == "Cancelled",
            "pay_until": order.pay_until,
            "overdue": order.overdue,
        }

    def _subscription(self, each: PlainSubscription) -> Facts:
        return {
            "state": each.state,
            "seats": each.seats,
            "on_order": (self.orders[each.on_order[0]], each.on_order[1]) if each.on_order else None,
            "term": (each.start, each.end, each.unit_price),
        }

    def care(self) -> set[tuple[UUID, str]]:
        return {(self.orders[order.name], why) for order in self.model.orders.values() for why in order.care}

    def money(self) -> dict[UUID, tuple[int, int, int]]:
        """Held, charged and given back of each order that money moved for."""
        moved = {
            self.orders[each.name]: (each.gateway_holds(self.model.now), each.captured, each.refunded)
            for each in self.model.orders.values()
        }
        return {order: amounts for order, amounts in moved.items() if any(amounts)}


class Observed:
    """The ledger's facts, read anew for what has new events."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.by_id: dict[UUID, Facts] = {}
        self.receipts: list[str] = []
        self._portal: dict[RowKey, Any] = {}
        self._care: dict[RowKey, Any] = {}
        self._position = 0

    async def look(self) -> None:
        touched: dict[UUID, str] = {}
        for recorded in self.world.events.recorded_after(self._position):
            portal.apply(self._portal, recorded)
            care.apply(self._care, recorded)
            if isinstance(recorded.event, ReceiptSeries.ReceiptIssued):
                self.receipts.append(recorded.event.receipt_number)
            touched[recorded.event.originator_id] = type(recorded.event).__qualname__.partition(".")[0]
            self._position = recorded.position
        streams = await self.world.events.load(*touched)
        for id, name in touched.items():
            if name in _KINDS:
                kind, facts, row_facts, table = _KINDS[name]
                self.by_id[id] = facts(streams.require(kind, id))
                shown = row_facts(self._portal[RowKey(table, id)])
                assert shown == self.by_id[id], f"the portal shows other than the {name} is"

    @property
    def care(self) -> set[tuple[UUID, str]]:
        return {(row.subject_id, row.care) for row in self._care.values() if row is not None}

    async def money(self) -> dict[UUID, tuple[int, int, int]]:
        sums: dict[UUID, dict[MovementKind, int]] = defaultdict(lambda: dict.fromkeys(MovementKind, 0))
        for each in await self.world.payments.movements():
            sums[each.order_id][each.kind] += each.amount
        held = {
            order: kinds[MovementKind.AUTHORISED] - kinds[MovementKind.CAPTURED] - kinds[MovementKind.VOIDED]
            for order, kinds in sums.items()
        }
        told = {
            order: (held[order], kinds[MovementKind.CAPTURED], kinds[MovementKind.REFUNDED])
            for order, kinds in sums.items()
        }
        return {order: amounts for order, amounts in told.items() if any(amounts)}

    async def provisioned(self) -> dict[UUID, int]:
        known = await self.world.provisioning.subscriptions()
        return {each.subscription_id: each.seats for each in known if each.seats is not None}


def _lines(lines: Any) -> list[tuple[UUID, int, int, int]]:
    return [(line.subscription_id, line.seats_to_add, line.net, line.tax) for line in lines]


def _account(account: BillingAccount) -> Facts:
    return {"open": account.open_quote_id, "restricted": account.restriction is not None}


def _account_row(row: AccountRow) -> Facts:
    return {"open": row.open_quote_id, "restricted": row.restriction is not None}


def _quote(quote: Quote) -> Facts:
    sums = quote.totals
    return {
        "state": quote.state.value,
        "lines": _lines(quote.lines),
        "totals": (sums.net, sums.tax, sums.gross),
        "valid_until": quote.valid_until,
    }


def _quote_row(row: QuoteRow) -> Facts:
    return {
        "state": row.state,
        "lines": _lines(row.lines),
        "totals": (row.net, row.tax, row.gross),
        "valid_until": row.valid_until,
    }


def _order(order: ServiceOrder) -> Facts:
    return {
        "state": order.state.value,
        "lines": _lines(order.lines),
        "outcomes": {id: outcome.value for id, outcome in order.outcomes.items()},
        "captured": order.captured_amount,
        "receipt": order.receipt_number,
        "called_off": order.cancelling is not None,
        "pay_until": order.pay_until,
        "overdue": order.overdue,
    }


def _order_row(row: OrderRow) -> Facts:
    return {
        "state": row.state,
        "lines": _lines(row.lines),
        "outcomes": row.outcomes,
        "captured": row.captured,
        "receipt": row.receipt_number,
        "called_off": row.cancelling is not None,
        "pay_until": row.pay_until,
        "overdue": row.overdue,
    }


def _subscription(subscription: Subscription) -> Facts:
    change, term = subscription.seat_change, subscription.term
    return {
        "state": subscription.state.value,
        "seats": subscription.seats,
        "on_order": (change.order_id, change.seats_to_add) if change else None,
        "term": (term.start, term.end, subscription.unit_price),
    }


def _subscription_row(row: SubscriptionRow) -> Facts:
    return {
        "state": row.state,
        "seats": row.seats,
        "on_order": (row.order_id, row.seats_on_order) if row.order_id else None,
        "term": (row.term_start, row.term_end, row.unit_price),
    }


_KINDS: Any = {
    "BillingAccount": (BillingAccount, _account, _account_row, "accounts"),
    "Quote": (Quote, _quote, _quote_row, "quotes"),
    "ServiceOrder": (ServiceOrder, _order, _order_row, "orders"),
    "Subscription": (Subscription, _subscription, _subscription_row, "subscriptions"),
}
