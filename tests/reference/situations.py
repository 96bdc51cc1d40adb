"""Every situation that an order can be in, each reached by what people, workers, partners and the clock really do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from domain.envelope import Actor, Role
from domain.order import OrderState, ServiceOrder
from services.ports import CounterpartyError
from services.working import ClaimLost
from tests.world import ASSIST, MEETING, World

CARE: Final = Actor("p-care", Role.ACCOUNT_SERVICES)


@dataclass(frozen=True, slots=True)
class Situation:
    """A state, and what else decides about it. `acts` says whose turn it is and how it goes on."""

    name: str
    state: OrderState
    means: str
    acts: str
    reach: Callable[[World], Awaitable[UUID]]


async def reached(situation: Situation) -> tuple[World, UUID]:
    """A new world in which an order of two lines is in this situation."""
    world = World()
    await world.customer()
    return world, await situation.reach(world)


async def _prepared(world: World, token: str = "tok_visa") -> UUID:
    order = await world.prepared((MEETING, 2), (ASSIST, 3))
    await world.ordering.change_payment_method(order.id, order.version, token, world.context())
    return order.id


async def _placed(world: World, token: str = "tok_visa") -> UUID:
    id = await _prepared(world, token)
    version = (await world.order(id)).version
    await world.ordering.place(world.placing(id, version), world.context())
    return id


async def worked(world: World, until: Callable[[ServiceOrder], bool] = lambda _: False) -> None:
    """Let a worker carry on until the order is so, or until it can't go on for now."""
    claim = await world.claimed(world.todo)

    async def keep() -> None:
        if until(await world.order(claim.subject_id)):
            raise ClaimLost

    try:
        await world.fulfilment.carry_on(claim, keep)
    except (ClaimLost, CounterpartyError):
        return


def _once(
    until: Callable[[ServiceOrder], bool],
    token: str = "tok_visa",
    rejected: int = 0,
    then: Callable[[World, UUID], Awaitable[None]] | None = None,
) -> Callable[[World], Awaitable[UUID]]:
    """A placed order worked on until it is so; so many lines are rejected on the way."""

    async def reach(world: World) -> UUID:
        id = await _placed(world, token)
        if rejected:
            await world.script.plan("provisioning.set_seats", "before", "reject", times=rejected)
        await worked(world, until)
        if then:
            await then(world, id)
        return id

    return reach


def _is(state: OrderState) -> Callable[[ServiceOrder], bool]:
    return lambda order: order.state is state


def _settled(lines: int) -> Callable[[ServiceOrder], bool]:
    return lambda order: len(order.outcomes) == lines


def _never(_: ServiceOrder) -> bool:
    return False


async def _call_off(world: World, id: UUID) -> None:
    await world.ordering.cancel(id, "asked", world.context(CARE))


async def _called_off(world: World, id: UUID) -> None:
    await _call_off(world, id)
    await worked(world)


async def _unknown(world: World) -> UUID:
    id = await _placed(world)
    await world.script.plan("payments.retrieve", "before", "timeout")
    await worked(world)
    return id


async def _lapse(world: World, _: UUID) -> None:
    world.clock.move(timedelta(days=8))
    await world.ring()
    await worked(world)


async def _pass_deadline(world: World, id: UUID) -> None:
    await _lapse(world, id)
    world.clock.move(timedelta(days=8))
    await world.ring()


async def _give_hold_back(world: World, _: UUID) -> None:
    world.clock.move(timedelta(days=6, hours=1))
    await world.ring()
    await worked(world, _is(OrderState.PLACED))


async def _send_receipt(world: World, _: UUID) -> None:
    await world.send()


async def _ask_for_refund(world: World, id: UUID) -> None:
    await world.ordering.refund(id, None, "goodwill", world.context(CARE))


async def _give_all_back(world: World, id: UUID) -> None:
    await world.send()
    await _ask_for_refund(world, id)
    await worked(world)


async def _draft_of_a_declined_quote(world: World) -> UUID:
    id = await _prepared(world)
    await world.quoting.decline((await world.order(id)).quote_id, world.context())
    return id


async def _unknown_and_called_off(world: World) -> UUID:
    id = await _unknown(world)
    await _call_off(world, id)
    return id


_ADMIN_HAS_SEATS: Final[Callable[[ServiceOrder], bool]] = lambda order: order.admin_has_seats  # noqa: E731
_STARTED: Final[Callable[[ServiceOrder], bool]] = lambda order: order.attempt is not None  # noqa: E731

SITUATIONS: Final = (
    Situation(
        "Prepared",
        OrderState.PREPARED,
        "A draft of the open quote; nothing is ordered.",
        "The billing admin places it. Whatever ends the quote ends the draft.",
        _prepared,
    ),
    Situation(
        "Placed",
        OrderState.PLACED,
        "Ordered for good; the payment gateway was not asked yet.",
        "A worker makes the payment.",
        _placed,
    ),
    Situation(
        "Placed, payment made",
        OrderState.PLACED,
        "The payment is made and noted, and not yet confirmed to the gateway.",
        "A worker confirms it, or asks what became of it.",
        _once(_STARTED),
    ),
    Situation(
        "Placed, called off",
        OrderState.PLACED,
        "Called off before anything was held or provisioned.",
        "A worker takes the seats off order and ends it.",
        _once(lambda order: order.state is OrderState.PLACED, then=_call_off),
    ),
    Situation(
        "Placed, payment made, called off",
        OrderState.PLACED,
        "Called off while the payment was not confirmed.",
        "A worker voids the payment, takes the seats off order and ends it.",
        _once(_STARTED, then=_call_off),
    ),
    Situation(
        "Placed again, with seats",
        OrderState.PLACED,
        "The hold came near its end and was given back; all seats are there.",
        "A worker asks for a new hold at once.",
        _once(_ADMIN_HAS_SEATS, then=_give_hold_back),
    ),
    Situation(
        "PaymentActionRequired",
        OrderState.PAYMENT_ACTION_REQUIRED,
        "The bank wants the card's holder to confirm.",
        "The holder follows the link, or the billing admin pays with another card. A worker asks the bank meanwhile.",
        _once(_never, "tok_action_required"),
    ),
    Situation(
        "PaymentActionRequired, called off",
        OrderState.PAYMENT_ACTION_REQUIRED,
        "Called off while the holder had not confirmed.",
        "A worker voids the payment and ends the order.",
        _once(_never, "tok_action_required", then=_call_off),
    ),
    Situation(
        "PaymentUnknown",
        OrderState.PAYMENT_UNKNOWN,
        "The gateway gave no answer, so money may be held or not.",
        "A worker asks again by the payment's id, and never makes a second one. CAS calls the provider after hours.",
        _unknown,
    ),
    Situation(
        "PaymentUnknown, called off",
        OrderState.PAYMENT_UNKNOWN,
        "Called off while nobody knows whether money is held.",
        "A worker voids the payment, whatever became of it, and ends the order.",
        _unknown_and_called_off,
    ),
    Situation(
        "PaymentDeclined",
        OrderState.PAYMENT_DECLINED,
        "The bank declined, or the hold lapsed; no seats are there.",
        "The billing admin chooses another card and pays, until the payment deadline; then the order is called off.",
        _once(_never, "tok_declined"),
    ),
    Situation(
        "PaymentDeclined, called off",
        OrderState.PAYMENT_DECLINED,
        "Called off, or not paid in time; no seats are there.",
        "A worker takes the seats off order and ends it.",
        _once(_never, "tok_declined", then=_call_off),
    ),
    Situation(
        "PaymentDeclined, with seats",
        OrderState.PAYMENT_DECLINED,
        "The seats are there, and the hold lapsed or the charge failed.",
        "The billing admin pays with another card. Seats that are there must be paid, so it can't be called off.",
        _once(_ADMIN_HAS_SEATS, then=_lapse),
    ),
    Situation(
        "PaymentDeclined, with seats, late",
        OrderState.PAYMENT_DECLINED,
        "The same after the payment deadline.",
        "CAS asks the customer for a card: it stands on the care list until it is paid.",
        _once(_ADMIN_HAS_SEATS, then=_pass_deadline),
    ),
    Situation(
        "Authorised",
        OrderState.AUTHORISED,
        "The money is held; no seats are there yet.",
        "A worker names the admin and asks for the seats. CAS may release seats that don't come.",
        _once(_is(OrderState.AUTHORISED)),
    ),
    Situation(
        "Authorised, some seats",
        OrderState.AUTHORISED,
        "One line's seats are there, another's are not.",
        "A worker asks for the others. Called off now, the seats that are there are charged.",
        _once(_settled(1)),
    ),
    Situation(
        "Authorised, called off",
        OrderState.AUTHORISED,
        "Called off while money is held and no seats are there.",
        "A worker asks whether seats came after all; if not, it voids the hold and ends the order.",
        _once(_is(OrderState.AUTHORISED), then=_call_off),
    ),
    Situation(
        "Authorised, some seats, called off",
        OrderState.AUTHORISED,
        "Called off when some seats were there.",
        "A worker releases the other seats; what is there is charged.",
        _once(_settled(1), then=_call_off),
    ),
    Situation(
        "Provisioned",
        OrderState.PROVISIONED,
        "All seats are there; nothing is charged.",
        "A worker gives the admin seats and charges the card.",
        _once(_is(OrderState.PROVISIONED)),
    ),
    Situation(
        "PartlyProvisioned",
        OrderState.PARTLY_PROVISIONED,
        "Some seats are there, the others were rejected or released.",
        "A worker charges what is there. CAS tells the customer about the rest.",
        _once(_is(OrderState.PARTLY_PROVISIONED), rejected=1),
    ),
    Situation(
        "PartlyProvisioned, no seats",
        OrderState.PARTLY_PROVISIONED,
        "All lines were rejected or released.",
        "A worker voids the hold and ends the order; nobody pays.",
        _once(_is(OrderState.PARTLY_PROVISIONED), rejected=2),
    ),
    Situation(
        "Captured",
        OrderState.CAPTURED,
        "The card is charged for the seats that are there.",
        "A worker issues the receipt.",
        _once(_is(OrderState.CAPTURED)),
    ),
    Situation(
        "Completed",
        OrderState.COMPLETED,
        "Charged and the receipt issued; its mail is on its way.",
        "Nobody for the order; a worker mails the receipt.",
        _once(_never),
    ),
    Situation(
        "Completed, receipt sent",
        OrderState.COMPLETED,
        "The mail server took the receipt.",
        "Nobody. CAS may refund.",
        _once(_never, then=_send_receipt),
    ),
    Situation(
        "Completed, refund under way",
        OrderState.COMPLETED,
        "Money is to go back.",
        "A worker asks the gateway, and issues the credit note.",
        _once(_never, then=_ask_for_refund),
    ),
    Situation(
        "Completed, all refunded",
        OrderState.COMPLETED,
        "All that was charged went back, with credit notes; the seats stay.",
        "Nobody.",
        _once(_never, then=_give_all_back),
    ),
    Situation(
        "Cancelled",
        OrderState.CANCELLED,
        "Off: nothing is held, nothing is charged, no seats are on order.",
        "Nobody. A new quote can order the seats again.",
        _once(lambda order: order.state is OrderState.PLACED, then=_called_off),
    ),
    Situation(
        "Cancelled as a draft",
        OrderState.CANCELLED,
        "The quote was declined, superseded or expired before the order was placed.",
        "Nobody. A new quote can order the seats again.",
        _draft_of_a_declined_quote,
    ),
)
