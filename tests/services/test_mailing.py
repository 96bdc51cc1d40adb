"""Which mail is due when, to whom, in which language; and what happens when it can't be delivered."""

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from uuid import UUID

import pytest

from domain.account import BillingAccount
from domain.care import Care
from domain.envelope import Actor, Role
from domain.quote import Quote
from services.fulfilment import StillWaiting
from services.ports import CounterpartyUnavailable
from services.vault_records import Contact
from tests.world import ACCOUNT, ASSIST, MEETING, World, kept

CARE = Actor("p-care", Role.ACCOUNT_SERVICES)


async def _mails(world: World) -> list[EmailMessage]:
    return [
        email.message_from_bytes(each.raw, _class=EmailMessage, policy=email.policy.default)
        for each in await world.mailer.messages()
    ]


async def _text(world: World) -> str:
    """The text of the only mail."""
    (mail,) = await _mails(world)
    body = mail.get_body(("plain",))
    assert body is not None
    assert mail.get_body(("html",)) is not None
    return str(body.get_content())


async def _placed_with(world: World, token: str) -> UUID:
    prepared = await world.prepared()
    changed = await world.ordering.change_payment_method(prepared.id, prepared.version, token, world.context())
    await world.ordering.place(world.placing(prepared.id, changed.version), world.context())
    return prepared.id


async def test_a_declined_card_is_told_once_with_what_to_do_until_when(world: World) -> None:
    await _placed_with(world, "tok_declined")
    await world.work()
    await world.tell()
    await world.tell()
    text = await _text(world)
    assert "448,98" in text
    assert "7. April 2026" in text, "seven days to pay"
    assert world.to_tell.entries() == []


async def test_an_action_required_is_told_with_its_link(world: World) -> None:
    order = await _placed_with(world, "tok_action_required")
    with pytest.raises(StillWaiting):
        await world.work()
    await world.tell()
    intent = (await world.order(order)).attempt
    assert intent is not None
    url = (await world.payments.retrieve(intent.intent_id)).action_url
    assert url is not None
    assert url in await _text(world)


async def test_lines_that_were_rejected_are_told_beside_what_was_charged(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.script.plan("provisioning.set_seats", "before", "reject")
    await world.work()
    await world.tell()
    text = await _text(world)
    (rejected,) = (await world.order(order)).rejected_lines
    assert rejected.product.title in text


async def test_a_cancelled_order_is_told_and_a_discarded_draft_is_not(world: World) -> None:
    draft = await world.prepared((ASSIST, 1))
    await world.quoting.decline((await world.order(draft.id)).quote_id, world.context())
    order = await world.placed()
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    await world.tell()
    assert (await world.order(order)).number in await _text(world)


async def test_an_overdue_order_is_told_by_whom_it_waits_for(world: World) -> None:
    await _placed_with(world, "tok_declined")
    await world.work()
    await world.tell()
    world.clock.move(timedelta(hours=24))
    await world.ring()
    await world.tell()
    subjects = [str(mail["Subject"]) for mail in await _mails(world)]
    assert len(set(subjects)) == 2


async def test_a_credit_note_is_mailed_as_it_was_issued(world: World) -> None:
    order = await world.placed()
    await world.work()
    await world.ordering.refund(order, 11900, "goodwill", world.context(CARE))
    await world.work()
    await world.tell()
    text = await _text(world)
    assert "SL-DE-CN-2026-000001" in text
    assert "119,00" in text


async def test_a_mail_server_that_is_away_gets_the_same_message_later(world: World) -> None:
    await _placed_with(world, "tok_declined")
    await world.work()
    (claim,) = await world.to_tell.claim("worker", 10, 30)
    await world.script.plan("mail.send", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await world.notices.carry_on(claim, kept)
    await world.notices.carry_on(claim, kept)
    await world.notices.carry_on(claim, kept)
    (mail,) = await _mails(world)
    assert str(mail["Message-ID"]).startswith("<payment-declined-1-O-")


async def test_an_address_that_takes_no_mail_is_on_the_care_list_until_it_changes() -> None:
    world = World()
    await world.customer(email="anna@undeliverable.example")
    await _placed_with(world, "tok_declined")
    await world.work()
    await world.tell()
    assert await world.care() == [Care.NOTICE_UNDELIVERABLE]
    contact = Contact(name="Ben Krause", email="ben@lindner.example")
    await world.accounts.change_billing_contact(ACCOUNT, contact, world.context())
    assert await world.care() == []


async def test_a_warning_of_a_quotes_end_is_sent_once(world: World) -> None:
    await world.quote()
    world.clock.move(timedelta(days=27))
    await world.ring()
    (claim,) = await world.to_tell.claim("worker", 10, 30)
    for _ in range(2):
        await world.notices.carry_on(claim, kept)
    assert len(await world.mailer.messages()) == 1


async def test_of_a_quote_that_ended_before_its_warning_was_sent_nobody_is_told(world: World) -> None:
    quote = await world.quote()
    world.clock.move(timedelta(days=27))
    await world.ring()
    (claim,) = await world.to_tell.claim("worker", 10, 30)
    await world.quoting.decline(quote, world.context())
    await world.notices.carry_on(claim, kept)
    assert (await world.mailer.messages(), world.to_tell.entries(), await world.care()) == ([], [], [])


async def test_an_undeliverable_warning_of_a_quotes_end_is_on_the_list_too() -> None:
    world = World()
    await world.customer(email="anna@undeliverable.example")
    await world.quote()
    world.clock.move(timedelta(days=27))
    await world.ring()
    await world.tell()
    assert await world.care() == [Care.NOTICE_UNDELIVERABLE]


async def test_an_erased_contact_is_told_nothing_and_care_is(world: World) -> None:
    await _placed_with(world, "tok_declined")
    await world.work()
    quote = await world.quote((ASSIST, 1))
    world.clock.move(timedelta(days=27))
    await world.ring()
    world.events.erase((await world.the(BillingAccount, ACCOUNT)).billing_contact)
    await world.tell()
    assert await world.mailer.messages() == []
    assert Care.NOTICE_UNDELIVERABLE in await world.care()
    assert not (await world.the(Quote, quote)).notice_due


async def test_a_copy_asked_for_while_another_is_being_sent_is_not_lost(world: World) -> None:
    order = await world.placed()
    await world.work()
    claim = await world.claimed(world.to_send)

    async def asked_meanwhile() -> None:
        current = await world.order(order)
        if current.receipt_copies == 1:
            current.receipt_was_undeliverable("<first>", "full", world.clock.at)
            current.request_receipt(current.receipt_recipient, world.clock.at)
            await world.events.append(current, context=world.context())

    await world.mail.carry_on(claim, asked_meanwhile)
    assert not (await world.order(order)).receipt_sent
    await world.mail.carry_on(claim, kept)
    assert (await world.order(order)).receipt_sent
