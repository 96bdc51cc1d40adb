"""The plain model finds what it should: one rule is broken on purpose, and soon a life disagrees."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from domain import quote
from domain.account import BillingAccount
from domain.order import ServiceOrder
from domain.quote import Quote
from domain.subscription import Subscription
from services.fulfilment import Fulfilment
from services.ordering import Ordering
from services.quoting import Quoting
from services.renewing import Renewing
from tests.model.machine import AccountMachine

FOUND_WITHIN = 2000
"""Lives; most faults need a few. Hypothesis draws constants from the modules that are loaded, so the lives of this file
alone are others than those of a whole run, and a rare one may come late."""

Fault = Callable[[pytest.MonkeyPatch], None]


def a_superseded_quote_stays_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quote, "be_superseded", lambda *_: None)


def a_draft_outlives_its_superseded_quote(patch: pytest.MonkeyPatch) -> None:
    _while(patch, Quoting, "issue", ServiceOrder, "discard", lambda *_: None)


def proration_is_rounded_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quote, "prorated_net", lambda price, seats, left, days: price * seats * left // days)


def a_later_day_is_charged_as_quoted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quote, "on_day", lambda line, *_: line)


def a_restricted_account_may_place(patch: pytest.MonkeyPatch) -> None:
    _while(patch, Ordering, "place", BillingAccount, "must_be_eligible", lambda _: None)


def an_expired_quote_is_accepted(patch: pytest.MonkeyPatch) -> None:
    in_time = Quote.must_be_open
    patch.setattr(Quote, "must_be_open", lambda self, at: in_time(self, at - timedelta(days=2)))


def a_second_seat_change_is_accepted(patch: pytest.MonkeyPatch) -> None:
    asked = Subscription.must_take_seats

    def heedless(self: Subscription, on: Any) -> None:
        pending, self.seat_change = self.seat_change, None
        asked(self, on)
        self.seat_change = pending

    patch.setattr(Subscription, "must_take_seats", heedless)


def rejected_lines_are_charged(patch: pytest.MonkeyPatch) -> None:
    _while(patch, Fulfilment, "_capture", ServiceOrder, "provisioned_lines", property(lambda order: order.lines))


def a_renewal_leaves_the_open_quote(patch: pytest.MonkeyPatch) -> None:
    async def renewed(self: Renewing, id: Any, _: Any, change: Callable[[Subscription], None], context: Any) -> Any:
        subscription = (await self._events.load(id, context=context)).require(Subscription, id)
        change(subscription)
        return await self._events.append(subscription, context=context)

    patch.setattr(Renewing, "_change", renewed)


def seats_stay_on_order_once_they_are_released(patch: pytest.MonkeyPatch) -> None:
    _while(patch, Ordering, "release", Subscription, "release_seats", lambda *_: None)


def more_is_given_back_than_is_left(patch: pytest.MonkeyPatch) -> None:
    def generous(self: ServiceOrder, amount: int, reason: str, at: Any) -> None:
        self._request_refund(number=self.refunds + 1, amount=amount, reason=reason, timestamp=at)

    patch.setattr(ServiceOrder, "request_refund", generous)


def a_payment_deadline_calls_nothing_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServiceOrder, "payment_deadline_passed", lambda *_: None)


def _while(patch: pytest.MonkeyPatch, service: type, command: str, kind: type, name: str, instead: Any) -> None:
    """Only while the service does this command, the aggregate does it otherwise."""
    rightly = getattr(service, command)

    async def wrongly(*args: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(kind, name, instead)
            return await rightly(*args)

    patch.setattr(service, command, wrongly)


FAULTS: tuple[Fault, ...] = (
    a_superseded_quote_stays_open,
    a_draft_outlives_its_superseded_quote,
    proration_is_rounded_down,
    a_later_day_is_charged_as_quoted,
    a_restricted_account_may_place,
    an_expired_quote_is_accepted,
    a_second_seat_change_is_accepted,
    rejected_lines_are_charged,
    a_renewal_leaves_the_open_quote,
    seats_stay_on_order_once_they_are_released,
    more_is_given_back_than_is_left,
    a_payment_deadline_calls_nothing_off,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_broken_rule_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            AccountMachine,
            settings=settings(
                max_examples=FOUND_WITHIN,
                stateful_step_count=25,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
