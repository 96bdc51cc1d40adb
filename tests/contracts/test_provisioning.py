"""The contract of seat provisioning: so many seats in all, by the version that says so; never so many more."""

import asyncio
from itertools import permutations
from uuid import UUID

import pytest

from adapters.provisioning.sandbox import SEATS_NOT_AVAILABLE, VERSION_SUPERSEDED, SandboxProvisioning
from adapters.sandbox_books import MemoryBooks, SandboxBooks
from adapters.sandbox_script import Script
from services.ports import (
    CounterpartyRefused,
    CounterpartyUnavailable,
    OutcomeUnknown,
    ProvisioningResult,
    ProvisioningStatus,
)

SUBSCRIPTION = UUID("00000000-0000-4000-8000-000000000011")
OTHER_SUBSCRIPTION = UUID("00000000-0000-4000-8000-000000000012")
ORDER = UUID("00000000-0000-4000-8000-00000000000a")
OTHER_ORDER = UUID("00000000-0000-4000-8000-00000000000b")


@pytest.fixture
def provisioning(books: SandboxBooks) -> SandboxProvisioning:
    """The sandbox's system."""
    return SandboxProvisioning(books)


async def seats_of(provisioning: SandboxProvisioning, subscription_id: UUID = SUBSCRIPTION) -> int | None:
    return next(each.seats for each in await provisioning.subscriptions() if each.subscription_id == subscription_id)


async def made(
    provisioning: SandboxProvisioning, seats: int, version: int, order_id: UUID = ORDER
) -> ProvisioningResult:
    return await provisioning.set_seats(SUBSCRIPTION, "goto_meeting", seats, version, order_id)


async def test_the_same_call_again_gives_the_same_answer_and_no_more_seats(provisioning: SandboxProvisioning) -> None:
    first = await made(provisioning, 13, 3)
    assert first.external_reference
    assert first.rejection is None
    assert await made(provisioning, 13, 3) == first
    assert await seats_of(provisioning) == 13


async def test_the_same_call_twenty_times_at_once_is_one_change(provisioning: SandboxProvisioning) -> None:
    answers = await asyncio.gather(*(made(provisioning, 13, 3) for _ in range(20)))
    assert len(set(answers)) == 1
    (subscription,) = await provisioning.subscriptions()
    assert len(subscription.answers) == 1


async def test_a_version_below_one_that_was_seen_is_rejected(provisioning: SandboxProvisioning) -> None:
    await made(provisioning, 20, 5)
    late = await made(provisioning, 13, 3, OTHER_ORDER)
    assert late == ProvisioningResult(ProvisioningStatus.REJECTED, rejection=VERSION_SUPERSEDED, order_id=OTHER_ORDER)
    assert await made(provisioning, 13, 3, OTHER_ORDER) == late
    assert await seats_of(provisioning) == 20


async def test_a_late_repetition_of_an_old_call_gets_its_old_answer_and_takes_no_seat_away(
    provisioning: SandboxProvisioning,
) -> None:
    old = await made(provisioning, 13, 3)
    await made(provisioning, 20, 5, OTHER_ORDER)
    assert await made(provisioning, 13, 3) == old
    assert await seats_of(provisioning) == 20


@pytest.mark.parametrize("order", list(permutations([(13, 3), (15, 5), (20, 8)])))
async def test_in_whatever_order_calls_arrive_the_highest_version_stands(order: list[tuple[int, int]]) -> None:
    provisioning = SandboxProvisioning(MemoryBooks())
    for seats, version in [*order, *order]:
        await made(provisioning, seats, version)
    assert await seats_of(provisioning) == 20


async def test_calls_with_several_versions_at_once_end_with_the_highest(provisioning: SandboxProvisioning) -> None:
    await asyncio.gather(*(made(provisioning, 10 + version, version) for version in range(1, 21)))
    assert await seats_of(provisioning) == 30


async def test_a_version_used_again_with_other_seats_or_for_another_order_is_refused(
    provisioning: SandboxProvisioning,
) -> None:
    await made(provisioning, 13, 3)
    for call in (made(provisioning, 14, 3), made(provisioning, 13, 3, OTHER_ORDER)):
        with pytest.raises(CounterpartyRefused):
            await call
    assert await seats_of(provisioning) == 13


@pytest.mark.parametrize(
    ("product", "seats", "version"), [("goto_mars", 1, 1), ("goto_meeting", 0, 1), ("goto_meeting", 1, 0)]
)
async def test_a_call_that_makes_no_sense_is_refused(
    provisioning: SandboxProvisioning, product: str, seats: int, version: int
) -> None:
    with pytest.raises(CounterpartyRefused):
        await provisioning.set_seats(SUBSCRIPTION, product, seats, version, ORDER)
    assert await provisioning.subscriptions() == []


async def test_a_subscription_keeps_its_product(provisioning: SandboxProvisioning) -> None:
    await made(provisioning, 13, 3)
    with pytest.raises(CounterpartyRefused):
        await provisioning.set_seats(SUBSCRIPTION, "goto_webinar", 14, 4, ORDER)
    assert await seats_of(provisioning) == 13


async def test_a_rejection_says_why_is_kept_for_its_version_and_changes_no_seats(
    provisioning: SandboxProvisioning, script: Script
) -> None:
    await made(provisioning, 10, 1)
    await script.plan("provisioning.set_seats", "before", "reject")
    rejected = await made(provisioning, 13, 3, OTHER_ORDER)
    assert rejected == ProvisioningResult(
        ProvisioningStatus.REJECTED, rejection=SEATS_NOT_AVAILABLE, order_id=OTHER_ORDER
    )
    assert await made(provisioning, 13, 3, OTHER_ORDER) == rejected
    assert await seats_of(provisioning) == 10
    assert (await made(provisioning, 13, 5, OTHER_ORDER)).external_reference


@pytest.mark.parametrize("subject", [str(SUBSCRIPTION), "goto_meeting"])
async def test_an_order_can_be_made_partial_by_subscription_or_product(
    provisioning: SandboxProvisioning, script: Script, subject: str
) -> None:
    await script.plan(f"provisioning.set_seats:{subject}", "before", "reject", times=None)
    assert (await made(provisioning, 13, 3)).rejection == SEATS_NOT_AVAILABLE
    other = await provisioning.set_seats(OTHER_SUBSCRIPTION, "goto_webinar", 5, 2, ORDER)
    assert other.external_reference
    assert await seats_of(provisioning) is None
    assert await seats_of(provisioning, OTHER_SUBSCRIPTION) == 5


async def test_a_call_for_one_order_can_be_planned(provisioning: SandboxProvisioning, script: Script) -> None:
    await script.plan(f"provisioning.set_seats:{ORDER}", "before", "unavailable", times=None)
    with pytest.raises(CounterpartyUnavailable):
        await made(provisioning, 13, 3)
    assert (await made(provisioning, 13, 3, OTHER_ORDER)).external_reference


async def test_a_repetition_after_a_lost_answer_gives_the_answer_that_was_lost(
    provisioning: SandboxProvisioning, script: Script
) -> None:
    await script.plan("provisioning.set_seats", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await made(provisioning, 13, 3)
    assert await seats_of(provisioning) == 13
    assert (await made(provisioning, 13, 3)).external_reference
    (subscription,) = await provisioning.subscriptions()
    assert [(answer.version, answer.seats, answer.order_id) for answer in subscription.answers] == [(3, 13, ORDER)]
