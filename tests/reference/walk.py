"""Every command and outside result in every situation of an order: each cell is really done, on its own ledger."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.notices import Notice, NoticeKind
from domain.order import FulfilmentStep, OrderState, ServiceOrder
from domain.refusals import Refusal
from domain.timers import Timer
from projections.care import care
from services.ports import CounterpartyError
from tests.reference.acts import CALLS, COMMANDS, FAULTS, RESULTS, Answer, Command, Tell, line_waited_for
from tests.reference.situations import SITUATIONS, Situation, reached, worked
from tests.world import World, folded, kept


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of it: a refusal, or the order's new events and its state."""

    events: tuple[str, ...]
    before: OrderState
    after: OrderState
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What follows from a situation by itself: whose turn it is, what runs, and what becomes of it untouched."""

    order: ServiceOrder
    is_on_todo_list: bool
    timers: tuple[Timer, ...]
    care: tuple[str, ...]
    way: tuple[OrderState, ...]
    left_undone: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What a failing call led to in that turn, and where the order was once the partner was well again."""

    cell: Cell
    later: OrderState


@dataclass(frozen=True, slots=True)
class Walk:
    """All cells, by situation and then by command, result, or call and fault."""

    standing: Mapping[str, Standing]
    commands: Mapping[tuple[str, str], Cell]
    results: Mapping[tuple[str, str], Cell]
    faults: Mapping[tuple[str, str], Fault]


async def walked() -> Walk:
    """Walk each cell."""
    standing: dict[str, Standing] = {}
    commands: dict[tuple[str, str], Cell] = {}
    results: dict[tuple[str, str], Cell] = {}
    for situation in SITUATIONS:
        standing[situation.name] = await _standing(situation)
        for command in (each for group in COMMANDS.values() for each in group):
            commands[situation.name, command.name] = await _commanded(situation, command)
        world, id = await reached(situation)
        for name, tell in ((name, tell) for group in RESULTS.values() for name, tell in group.items()):
            results[situation.name, name] = await told(world, id, tell)
    named = {situation.name: situation for situation in SITUATIONS}
    faults = {
        (call, fault): await _failed(named[name], call, *FAULTS[fault])
        for call, (name, able) in CALLS.items()
        for fault in able
    }
    return Walk(standing, commands, results, faults)


async def _commanded(situation: Situation, command: Command) -> Cell:
    world, id = await reached(situation)
    before = await world.order(id)
    try:
        await command.do(world, before)
    except Refusal as refusal:
        return _cell(world, before, await world.order(id), refusal)
    return _cell(world, before, await world.order(id))


async def told(world: World, id: UUID, tell: Tell, times: int = 1) -> Cell:
    """Tell the order so, and store nothing; the events are those of the last time."""
    order = await world.order(id)
    before = order.state
    intents = [
        each.event.intent_id
        for each in world.events.recorded
        if isinstance(each.event, ServiceOrder.PaymentAttemptStarted) and each.event.originator_id == id
    ]
    notice = next(iter(order.notices_due), Notice(NoticeKind.ORDER_OVERDUE))
    answer = Answer(next(reversed(intents), "pi_none"), line_waited_for(order), notice, world.clock.at)
    events: list[object] = []
    try:
        for _ in range(times):
            tell(order, answer)
            events = list(order.collect_events())
    except Refusal as refusal:
        return Cell((), before, order.state, refusal)
    return Cell(tuple(type(event).__name__ for event in events), before, order.state)


def _cell(world: World, before: ServiceOrder, after: ServiceOrder, refusal: Refusal | None = None) -> Cell:
    events = _stream(world, before.id)[before.version :]
    return Cell(tuple(type(event).__name__ for event in events), before.state, after.state, refusal)


def _stream(world: World, id: UUID) -> list[ServiceOrder.Event]:
    return [
        each.event
        for each in world.events.recorded
        if isinstance(each.event, ServiceOrder.Event) and each.event.originator_id == id
    ]


async def _standing(situation: Situation) -> Standing:
    world, id = await reached(situation)
    order = await world.order(id)
    subjects = {id, order.quote_id}
    timers = tuple(Timer(entry.work) for entry in world.due.entries() if entry.subject_id in subjects)
    on_list = tuple(row.care for row in folded(care, world.events) if row.subject_id == id)
    is_on_todo_list = any(entry.subject_id == id for entry in world.todo.entries())
    way = await _left_alone(world, id)
    left_undone = bool(world.todo.entries()) or bool(world.due.entries())
    return Standing(order, is_on_todo_list, timers, on_list, way, left_undone)


async def _left_alone(world: World, id: UUID, days: int = 40) -> tuple[OrderState, ...]:
    """The states that follow if people do nothing, while workers, timers and the clock go on."""
    states = [(await world.order(id)).state]

    async def look() -> None:
        state = (await world.order(id)).state
        if state is not states[-1]:
            states.append(state)

    for _ in range(days):
        await _turns(world, look)
        world.clock.move(timedelta(days=1))
    return tuple(states[1:])


async def _turns(world: World, look: Callable[[], Awaitable[None]] = kept, turns: int = 3) -> None:
    """Let the workers and the timers do what is to be done."""
    for _ in range(turns):
        world.clock.move(timedelta(minutes=5))
        for claim in await world.todo.claim("worker", 10, 30):
            with suppress(CounterpartyError):
                await world.fulfilment.carry_on(claim, look)
        for claim in await world.due.claim("worker", 10, 30):
            await world.timers.carry_on(claim, kept)
        await look()


async def _failed(situation: Situation, call: str, moment: str, behaviour: str) -> Fault:
    world, id = await reached(situation)
    await world.script.plan(call, moment, behaviour)
    before = await world.order(id)
    await worked(world)
    cell = _cell(world, before, await world.order(id))
    await world.script.clear(call)
    await _turns(world)
    return Fault(cell, (await world.order(id)).state)


def step_of(standing: Standing) -> FulfilmentStep | None:
    """What a worker does next; None if the order is not on the list."""
    return standing.order.next_step if standing.is_on_todo_list else None
