"""What can be planned for a sandbox counterparty, and that no more happens than was planned."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from adapters.sandbox_books import MemoryBooks, SandboxBooks
from adapters.sandbox_script import Behaviour, Script
from services.ports import CounterpartyUnavailable, OutcomeUnknown

POINT = "payments.confirm"


class Counterparty:
    """Counts its effects."""

    def __init__(self, script: Script) -> None:
        """Do what the script says."""
        self.script, self.effects = script, 0

    async def act(self, *subjects: str) -> Behaviour | None:
        """Have an effect."""
        async with self.script.around(POINT, *subjects) as planned:
            self.effects += 1
            return planned


@pytest.fixture
def counterparty(script: Script) -> Counterparty:
    """One whose script is planned from outside."""
    return Counterparty(script)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_without_a_plan_nothing_happens(counterparty: Counterparty) -> None:
    assert await counterparty.act("pi_1") is None
    assert counterparty.effects == 1


@pytest.mark.parametrize(
    ("moment", "behaviour", "error", "effects"),
    [
        ("before", "unavailable", CounterpartyUnavailable, 0),
        ("before", "timeout", OutcomeUnknown, 0),
        ("after", "timeout", OutcomeUnknown, 1),
    ],
)
async def test_a_plan_is_for_one_call_unless_it_says_more(
    script: Script, counterparty: Counterparty, moment: str, behaviour: str, error: type[Exception], effects: int
) -> None:
    await script.plan(POINT, moment, behaviour)
    with pytest.raises(error, match=POINT):
        await counterparty.act()
    assert counterparty.effects == effects
    await counterparty.act()
    assert counterparty.effects == effects + 1


async def test_a_plan_for_three_calls_is_for_three_even_of_twenty_at_once(
    script: Script, counterparty: Counterparty
) -> None:
    await script.plan(POINT, "before", "unavailable", times=3)
    answers = await asyncio.gather(*(counterparty.act() for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, CounterpartyUnavailable) for answer in answers) == 3
    assert counterparty.effects == 17


async def test_a_plan_for_always_lasts_until_it_is_cleared(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "unavailable", times=None)
    for _ in range(5):
        with pytest.raises(CounterpartyUnavailable):
            await counterparty.act()
    await script.clear(POINT)
    await counterparty.act()


async def test_a_later_plan_takes_the_place_of_an_earlier_one(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "unavailable", times=None)
    await script.plan(POINT, "before", "reject")
    assert await counterparty.act() is Behaviour.REJECT
    assert await counterparty.act() is None


async def test_plans_before_and_after_the_effect_are_two(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "reject")
    await script.plan(POINT, "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await counterparty.act()
    assert counterparty.effects == 1


async def test_a_plan_for_one_subject_leaves_the_others_alone(script: Script, counterparty: Counterparty) -> None:
    await script.plan(f"{POINT}:pi_1", "before", "unavailable", times=None)
    await counterparty.act("pi_2")
    await counterparty.act()
    with pytest.raises(CounterpartyUnavailable):
        await counterparty.act("pi_0", "pi_1")
    await script.clear(f"{POINT}:pi_1")
    await counterparty.act("pi_1")


async def test_a_plan_for_another_operation_is_not_for_this_one(script: Script, counterparty: Counterparty) -> None:
    await script.plan("payments.capture", "before", "unavailable", times=None)
    await counterparty.act()


async def test_a_slow_answer_takes_its_time(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "after", "slow", seconds=0.1)
    began = monotonic()
    await counterparty.act()
    assert monotonic() - began >= 0.1


@pytest.mark.parametrize(("moment", "effects"), [("before", 0), ("after", 1)])
async def test_a_paused_call_says_where_it_is_and_goes_on_when_the_plan_is_removed(
    script: Script, counterparty: Counterparty, moment: str, effects: int
) -> None:
    await script.plan(POINT, moment, "pause")
    acting = asyncio.create_task(counterparty.act())
    await until(script.paused)
    assert await script.paused() == [f"{POINT} {moment}"]
    await asyncio.sleep(0.1)
    assert (acting.done(), counterparty.effects) == (False, effects)
    await script.clear(POINT)
    assert await acting is None
    assert counterparty.effects == 1
    assert await script.paused() == []


async def test_only_as_many_calls_pause_as_were_planned(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "pause")
    acting = asyncio.create_task(counterparty.act())
    await until(script.paused)
    await asyncio.gather(*(counterparty.act() for _ in range(3)))
    assert not acting.done()
    await script.clear(POINT)
    await acting
    assert counterparty.effects == 4


async def test_of_ten_calls_at_once_only_as_many_pause_as_were_planned(
    script: Script, counterparty: Counterparty
) -> None:
    await script.plan(POINT, "before", "pause")
    acting = [asyncio.create_task(counterparty.act()) for _ in range(10)]
    await asyncio.wait(acting, timeout=0.5)
    assert sum(not call.done() for call in acting) == 1
    await script.clear(POINT)
    await asyncio.gather(*acting)


async def test_all_calls_paused_at_a_point_go_on_together(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "pause", times=None)
    acting = [asyncio.create_task(counterparty.act()) for _ in range(5)]
    await until(script.paused)
    await asyncio.sleep(0.2)
    await script.clear(POINT)
    await asyncio.gather(*acting)
    assert counterparty.effects == 5


async def test_a_plan_made_anew_lets_go_what_the_old_one_paused(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "pause")
    acting = asyncio.create_task(counterparty.act())
    await until(script.paused)
    await script.plan(POINT, "before", "pause")
    await acting
    assert await script.paused() == []


async def test_a_cancelled_call_is_paused_no_more(script: Script, counterparty: Counterparty) -> None:
    await script.plan(POINT, "before", "pause")
    acting = asyncio.create_task(counterparty.act())
    await until(script.paused)
    acting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await acting
    assert (await script.paused(), counterparty.effects) == ([], 0)


async def test_no_call_is_paused_for_ever(books: SandboxBooks) -> None:
    script = Script(books, longest_pause=0.1)
    counterparty = Counterparty(script)
    await script.plan(POINT, "before", "pause")
    with pytest.raises(OutcomeUnknown):
        await counterparty.act()
    assert (await script.paused(), counterparty.effects) == ([], 0)


async def test_a_plan_made_by_another_process_counts(books: SandboxBooks, counterparty: Counterparty) -> None:
    await Script(books).plan(POINT, "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await counterparty.act()


@pytest.mark.parametrize(
    ("point", "moment", "behaviour", "times", "seconds"),
    [
        ("payments.cofirm", "before", "pause", 1, 0.0),
        ("payments", "before", "pause", 1, 0.0),
        (POINT, "during", "pause", 1, 0.0),
        (POINT, "before", "explode", 1, 0.0),
        (POINT, "after", "unavailable", 1, 0.0),
        (POINT, "after", "reject", 1, 0.0),
        (POINT, "before", "pause", 0, 0.0),
        (POINT, "before", "pause", -1, 0.0),
        (POINT, "before", "slow", 1, -1.0),
        (POINT, "before", "slow", 1, 601.0),
        (POINT, "before", "slow", 1, float("nan")),
    ],
)
async def test_what_can_not_be_planned_is_refused(
    point: str, moment: str, behaviour: str, times: int, seconds: float
) -> None:
    books = MemoryBooks()
    with pytest.raises(ValueError, match=r".+"):
        await Script(books).plan(point, moment, behaviour, times, seconds)
    assert await books.list("script") == []


async def test_an_operation_that_nobody_could_plan_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no such point"):
        async with Script(MemoryBooks()).around("payments.chargeback"):
            pass
