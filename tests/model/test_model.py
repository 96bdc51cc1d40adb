"""A thousand lives of one account, and the plain model agrees with the ledger after each step of each."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import AccountMachine

WORTH_REACHING = {
    "OrderCompleted.v1",
    "OrderLineRejected.v1",
    "PaymentAuthorisationLapsed.v1",
    "PaymentDeadlinePassed.v1",
    "PaymentRefunded.v1",
    "PaymentVoided.v1",
    "QuoteExpired.v1",
    "SeatChangeReleased.v1",
}
SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "1000"))


@pytest.mark.timeout(900)
def test_the_plain_model_agrees_with_the_ledger() -> None:
    run_state_machine_as_test(
        AccountMachine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=25,
            derandomize=os.environ.get("MODEL_RANDOM") != "1",
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    if SEQUENCES >= 1000:
        assert AccountMachine.reached >= WORTH_REACHING, "the lives became too dull to find anything"
