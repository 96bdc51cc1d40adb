"""Receipt numbers without a gap, and mail at least once under one Message-ID."""

import email
import email.policy

import pytest

from domain.order import OrderState
from domain.receipts import ReceiptSeries
from services.ports import CounterpartyUnavailable
from services.vault_records import RecordErased
from tests.world import ASSIST, MEETING, World, all_of


async def _issued(world: World) -> list[ReceiptSeries.ReceiptIssued]:
    events = [each.event for each in world.events.recorded]
    return [event for event in events if isinstance(event, ReceiptSeries.ReceiptIssued)]


async def test_numbers_follow_each_other(world: World) -> None:
    for line in ((MEETING, 2), (ASSIST, 1)):
        await world.placed(line, admin=False)
        await world.work()
    assert [event.receipt_number for event in await _issued(world)] == ["SL-DE-2026-000001", "SL-DE-2026-000002"]


async def test_orders_worked_on_at_once_get_numbers_without_gap_or_double() -> None:
    world = World()
    await world.open_account()
    subscriptions = [await world.start_subscription(f"S-{number}") for number in range(1, 9)]
    for subscription in subscriptions:
        await world.placed((subscription, 1), admin=False)
    claims = await world.todo.claim("worker", 10, 30)

    async def keep() -> None:
        """Hold the claim."""

    results = await all_of(*(world.fulfilment.carry_on(claim, keep) for claim in claims))
    assert results == [None] * 8
    assert sorted(event.number for event in await _issued(world)) == list(range(1, 9))


async def test_another_processes_receipt_in_between_only_changes_the_number(world: World) -> None:
    await world.placed(admin=False)
    other = World(clock=world.clock, books=world.books)
    other.events = world.events
    claim = await world.claimed(world.todo)
    await world.placed((ASSIST, 1), admin=False)
    (second,) = await world.todo.claim("other", 10, 30)

    async def keep() -> None:
        """Hold the claim."""

    rival = World(clock=world.clock, books=world.books)
    rival.receipts._events = rival.receipts._vault = world.events
    rival.fulfilment._events = rival.fulfilment._vault = world.events
    await all_of(world.fulfilment.carry_on(claim, keep), rival.fulfilment.carry_on(second, keep))
    assert sorted(event.number for event in await _issued(world)) == [1, 2]


async def test_the_receipt_is_mailed_once_in_the_accounts_language(world: World) -> None:
    order_id = await world.placed()
    await world.work()
    await world.send()
    (mail,) = await world.mailer.messages()
    parsed = email.message_from_bytes(mail.raw, policy=email.policy.default)
    assert parsed["To"] == "anna@lindner.example"
    assert parsed["Message-ID"] == "<receipt-SL-DE-2026-000001@seatledger.example>"
    body = parsed.get_body(("plain",))
    assert body is not None
    assert "377,29\u00a0€" in body.get_content()
    assert (await world.order(order_id)).receipt_sent
    assert world.to_send.entries() == []


async def test_a_mail_server_that_is_away_gets_the_same_message_later(world: World) -> None:
    await world.placed()
    await world.work()
    await world.script.plan("mail.send", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await world.send()
    await world.send()
    assert len(await world.mailer.messages()) == 1


async def test_an_address_that_takes_no_mail_is_recorded() -> None:
    world = World()
    await world.customer(email="anna@undeliverable.example")
    order_id = await world.placed()
    await world.work()
    await world.send()
    assert (await world.order(order_id)).receipt_undeliverable
    assert await world.mailer.messages() == []


async def test_a_receipt_that_was_sent_is_not_sent_again(world: World) -> None:
    await world.placed()
    await world.work()
    claim = await world.claimed(world.to_send)

    async def keep() -> None:
        """Hold the claim."""

    await world.mail.carry_on(claim, keep)
    before = len(world.events.recorded)
    await world.mail.carry_on(claim, keep)
    assert len(world.events.recorded) == before


async def test_the_issued_document_is_kept_and_proven_by_the_event(world: World) -> None:
    order_id = await world.placed()
    await world.work()
    (event,) = await _issued(world)
    document = (await world.events.read([event.document]))[event.document]
    assert getattr(document, "digest", None) == event.document_digest
    order = await world.order(order_id)
    assert (order.state, order.receipt_document) == (OrderState.COMPLETED, event.document)


async def test_an_erased_contact_stops_the_receipt_with_a_plain_error(world: World) -> None:
    order_id = await world.placed(admin=False)
    reference = (await world.order(order_id)).details.billing_contact
    world.events.erase(reference)
    with pytest.raises(RecordErased):
        await world.work()
