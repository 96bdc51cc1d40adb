"""Whatever partners, workers and the clock do: nobody is charged twice, nothing is lost, nothing stands still."""

import os
from collections import Counter
from typing import Any

import pytest

from domain.history import EVENT_CLASSES
from domain.order import ServiceOrder
from domain.pricing import totals
from projections import fulfilment_todo
from services import fulfilment, ordering
from services.ports import OutcomeUnknown
from services.vault_records import GatewayToken, opened
from tests.simulation.running import all_lived, lived

SEEDS = int(os.environ.get("SAGA_SEEDS", "1000"))
FOUND_WITHIN = 100


@pytest.mark.timeout(900)
def test_every_promise_holds_whatever_happens() -> None:
    events: Counter[str] = Counter()
    for life in all_lived(range(SEEDS)):
        assert not life.broken, f"seed {life.seed} broke it; lived({life.seed}) of tests.simulation.running replays it"
        events += life.events
    assert set(events) == set(EVENT_CLASSES), "no event is out of its reach"


def test_a_seed_is_a_life_that_can_be_lived_again() -> None:
    assert lived(7) == lived(7)
    assert lived(7).events != lived(8).events


def _is_found(words: str) -> None:
    """Some seed soon breaks a promise in these words."""
    broken: list[str] = []
    for seed in range(FOUND_WITHIN):
        broken += lived(seed).broken
        if any(words in each for each in broken):
            return
    pytest.fail(f"{FOUND_WITHIN} seeds did not find it, only {broken}")


def test_a_retry_with_a_new_payment_intent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = fulfilment.Fulfilment._capture

    async def charged_anew(self: fulfilment.Fulfilment, order: ServiceOrder, run: Any) -> None:
        try:
            await capture(self, order, run)
        except OutcomeUnknown:
            method, payments = order.payment_method, self._outside.payments
            assert method is not None
            token = opened(await self._vault.read((method.token,)), method.token, GatewayToken).token
            amount = totals(order.provisioned_lines).gross
            anew = await payments.create_intent(f"{order.id}:again", order.id, 9, amount, order.currency, token)
            await payments.confirm(anew.id)
            await payments.capture(anew.id, amount)
            raise

    monkeypatch.setattr(fulfilment.Fulfilment, "_capture", charged_anew)
    _is_found("was charged 2 times")


def test_a_hold_that_is_not_given_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(self: fulfilment.Fulfilment, _: ServiceOrder, run: Any) -> None:
        await self._record_end(run, lambda order, now: order.cancelled(0, now))

    monkeypatch.setattr(fulfilment.Fulfilment, "_cancel", cancelled)
    _is_found("was cancelled while the gateway held")


def test_a_call_that_arrives_after_its_seats_were_released_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_shut_out(*_: Any) -> None:
        return None

    monkeypatch.setattr(fulfilment, "given_up", not_shut_out)
    monkeypatch.setattr(ordering, "given_up", not_shut_out)
    _is_found("seats at the provisioning system")


def test_an_event_that_puts_nothing_on_the_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[Any, Any] = fulfilment_todo.entries.handlers
    monkeypatch.delitem(handlers, ServiceOrder.OrderCancellationRequested)
    _is_found("no worker will cancel")
