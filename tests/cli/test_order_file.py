"""What an operator reads of an order at each place that it can be in, in narrow terminals and wide ones."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from adapters.cli.orders.acting import Cancelling, Releasing
from adapters.cli.orders.looking import shown
from adapters.cli.orders.naming import as_number
from adapters.cli.orders.telling import attempts, document, next_turn
from adapters.cli.terminal import as_json_text
from adapters.postgres.order_file import OrderFile, WorkInHand
from domain.envelope import Actor, Role
from domain.order import OrderState
from domain.refusals import OrderNotInState
from projections.care import care
from services.ports import CounterpartyError
from tests.world import ASSIST, MEETING, World, folded

CARE = Actor("p-care", Role.ACCOUNT_SERVICES)
Way = Callable[[World], Awaitable[UUID]]


async def _filed(world: World, id: UUID) -> OrderFile:
    """The file as the database would give it, with an entry in every kind of hands."""
    history = tuple(each for each in world.events.recorded if each.event.originator_id == id)
    free = WorkInHand("fulfilment_todo", "fulfil", world.clock.at, None, "", 0, 0.0)
    work = (
        free,
        replace(free, owner="host:7", tries=1, seconds_left=30.0),
        replace(free, tries=3, seconds_left=8.0),
        replace(free, list="timers", work="order_overdue", due_at=world.clock.at),
    )
    listed = tuple(row for row in folded(care, world.events) if row.subject_id == id)
    return OrderFile(await world.order(id), history, "A-1", listed, work, events_behind=2)


def _printed(file: OrderFile, width: int) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    for part in shown(file, wide=width >= 130):
        console.print(part, highlight=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


async def _worked(world: World) -> None:
    with pytest.raises(CounterpartyError):
        await world.work()


async def _draft(world: World) -> UUID:
    return (await world.prepared()).id


async def _placed(world: World) -> UUID:
    return await world.placed((MEETING, 2), (ASSIST, 1))


async def _unknown(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("payments.confirm", "before", "timeout")
    await _worked(world)
    return id


async def _paid_with(world: World, token: str) -> UUID:
    draft = await world.prepared()
    changed = await world.ordering.change_payment_method(draft.id, draft.version, token, world.context())
    await world.ordering.place(world.placing(draft.id, changed.version), world.context())
    return draft.id


async def _to_confirm(world: World) -> UUID:
    id = await _paid_with(world, "tok_action_required")
    await _worked(world)
    return id


async def _declined(world: World) -> UUID:
    id = await _paid_with(world, "tok_declined")
    await world.work()
    return id


async def _refused(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("payments.create_intent", "before", "reject")
    await world.work()
    return id


async def _stuck(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan(f"provisioning.set_seats:{ASSIST}", "before", "pending", times=2)
    await _worked(world)
    return id


async def _called_off(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("provisioning.set_seats", "before", "unavailable", times=2)
    await _worked(world)
    await world.ordering.cancel(id, "duplicate", world.context(CARE))
    return id


async def _cancelled(world: World) -> UUID:
    id = await _called_off(world)
    await world.work()
    return id


async def _misunderstood(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("payments.confirm", "before", "wrong")
    await _worked(world)
    return id


async def _completed(world: World) -> UUID:
    id = await _placed(world)
    await world.work()
    return id


async def _sent(world: World) -> UUID:
    id = await _completed(world)
    await world.send()
    return id


async def _undeliverable(world: World) -> UUID:
    id = await _completed(world)
    await world.script.plan("mail.send", "before", "reject")
    await world.send()
    return id


async def _refunding(world: World) -> UUID:
    id = await _sent(world)
    await world.ordering.refund(id, 100, "goodwill", world.context(CARE))
    return id


async def _refunded(world: World) -> UUID:
    id = await _refunding(world)
    await world.work()
    return id


WAYS: dict[Way, tuple[str, str]] = {
    _draft: ("the billing admin: place the order", "Prepared"),
    _placed: ("the workers: hold the money on the card", "Placed"),
    _unknown: ("the workers: ask the gateway what became of the payment", "the gateway did not say"),
    _to_confirm: ("the card's holder: confirm the payment at the bank, until ", "the card's holder must confirm"),
    _declined: ("the customer: pay, with this card or another, until ", "declined: card declined"),
    _refused: ("the customer: pay, with this card or another, until ", "declined: refused"),
    _stuck: ("the workers: get the seats from the provisioning system", "waiting"),
    _called_off: ("the workers: call the order off and give the hold back", "duplicate"),
    _cancelled: ("the workers: mail: order cancelled", "given back"),
    _misunderstood: ("the workers: hold the money on the card", "answer_not_understood since"),
    _completed: ("the workers: mail the receipt", "not sent yet"),
    _sent: ("all is done", "sent"),
    _undeliverable: ("Corporate Account Services: get the right address", "can't be delivered"),
    _refunding: ("the workers: give money back to the card", "goodwill"),
    _refunded: ("the workers: mail: credit note", "credit notes"),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_the_order_is_told_with_whose_turn_it_is(world: World, way: Way) -> None:
    file = await _filed(world, await way(world))
    turn, told = WAYS[way]
    assert str(next_turn(file.order)).startswith(turn)
    for width in (80, 160):
        lines = _printed(file, width).splitlines()
        assert max(map(len, lines)) <= width
        printed = " ".join(" ".join(lines).split())
        for expected in (turn, told, file.order.number, "nobody, it rests", "host:7", "a worker takes it", "2 events"):
            assert expected in printed
        assert all(str(each.event.originator_version) in printed for each in file.history)
    as_json = as_json_text(document(file))
    for personal in ("Keller", "Anna", "Lindner", "bank.example", "tok_"):
        assert personal not in as_json + printed
    assert f'"state":"{file.order.state}"' in as_json


async def test_every_attempt_is_told_with_what_came_of_it_last(world: World) -> None:
    id = await _declined(world)
    order = await world.order(id)
    await world.ordering.change_payment_method(id, order.version, "tok_visa", world.context())
    await world.ordering.pay(id, world.context())
    await world.work()
    told = [(each.number, each.card, each.came_of_it) for each in attempts((await _filed(world, id)).history)]
    assert told == [(1, "visa 0002", "declined: card declined"), (2, "visa 4242", "charged")]


async def test_a_lapse_and_a_failed_charge_are_told(world: World) -> None:
    id = await _placed(world)
    await world.script.plan("payments.capture", "before", "reject")
    await world.work()
    assert [each.came_of_it for each in attempts((await _filed(world, id)).history)] == ["the charge was refused"]
    other = await _filed(world, id)
    assert next_turn(other.order).who == "the customer"
    await world.ordering.pay(id, world.context())
    await world.script.plan("payments.capture", "before", "unavailable")
    await _worked(world)
    world.clock.move(timedelta(days=8))
    await world.work()
    assert [each.came_of_it for each in attempts((await _filed(world, id)).history)][-1] == "the hold lapsed"


async def test_what_a_cancellation_will_do_is_what_it_does(world: World) -> None:
    order = await world.order(await _stuck(world))
    gross = order.provisioned_lines[0].gross
    said = Cancelling("duplicate").will(order, world.clock.at)
    assert [each.split(" seats")[0] for each in said[:2]] == ["1 GoToAssist v5", "2 GoTo Meeting"]
    assert said[-1].startswith("The card is charged €448.98")
    assert Cancelling("duplicate").will(order, world.clock.at)[0].startswith("The order is being called off already")
    await world.ordering.cancel(order.id, "duplicate", world.context(CARE))
    await world.script.clear(f"provisioning.set_seats:{ASSIST}")
    await world.work()
    done = await world.order(order.id)
    assert (done.state, done.captured_amount) == (OrderState.COMPLETED, gross)
    with pytest.raises(OrderNotInState):
        Cancelling("duplicate").will(done, world.clock.at)


@pytest.mark.parametrize(
    ("way", "money"),
    [
        (_called_off, "The hold of"),
        (_to_confirm, "A payment that is under way is given up"),
        (_refused, "Nobody is charged."),
    ],
)
async def test_a_cancellation_says_what_becomes_of_the_money(world: World, way: Way, money: str) -> None:
    order = await world.order(await way(world))
    order.cancelling = None
    assert any(each.startswith(money) for each in Cancelling("duplicate").will(order, world.clock.at))


async def test_what_a_release_will_do_depends_on_the_other_lines(world: World) -> None:
    id = await _stuck(world)
    assert Releasing("S-2").will(await world.order(id), world.clock.at)[-1].startswith("No other line waits: the card")
    await world.script.clear(f"provisioning.set_seats:{ASSIST}")
    await world.work()
    waiting = await world.order(await _waits_for_both(world))
    assert Releasing(str(MEETING)).will(waiting, world.clock.at)[-1].startswith("The order goes on waiting for 1 GoToA")
    assert "the order is called off" in " ".join(Releasing("s-2").will(waiting, world.clock.at))


async def _waits_for_both(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("provisioning.set_seats", "before", "unavailable", times=2)
    await _worked(world)
    return id


def test_a_number_is_known_however_it_was_written_down() -> None:
    assert as_number("o-o1il0-abcde") == "O-01110-ABCDE"
    assert as_number("A-10001") is None
