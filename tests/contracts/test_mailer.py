"""The contract of a mail server, and the sandbox's inbox: real messages, whole or not at all."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.clock import MovableClock
from adapters.mail.sandbox import ReceivedMail, SandboxMailer
from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Script
from services.ports import Attachment, CounterpartyUnavailable, Mail, MailUndeliverable, OutcomeUnknown

NBSP = "\N{NO-BREAK SPACE}"
RECEIPT = Mail(
    message_id="<receipt-DE-2026-000001@seatledger.example>",
    recipient="jana.vogt@example.com",
    subject=f"Ihre Quittung DE-2026-000001 über 448,98{NBSP}€ für zusätzliche Sitze — vielen Dank für Ihre Bestellung",
    text=f"Guten Tag,\n\n.\nSumme: 448,98{NBSP}€\n" + "Sitze " * 200 + "\n",
    html=f"<p>Summe: <b>448,98{NBSP}€</b> 💶</p>\n",
    locale="de",
)


@pytest.fixture
def mailer(books: SandboxBooks, clock: MovableClock) -> SandboxMailer:
    """The sandbox's server."""
    return SandboxMailer(books, clock, "Größer & Söhne Billing <billing@seatledger.example>")


def body(received: ReceivedMail, kind: str) -> str:
    part = received.parsed().get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


async def test_a_mail_lies_in_the_inbox_as_it_was_meant(mailer: SandboxMailer) -> None:
    await mailer.send(RECEIPT)
    (received,) = await mailer.messages()
    message = received.parsed()
    assert received.recipient == message["To"] == RECEIPT.recipient
    assert message["Subject"] == RECEIPT.subject
    assert message["Message-ID"] == RECEIPT.message_id
    assert message["Content-Language"] == "de"
    assert message["From"].addresses[0].addr_spec == "billing@seatledger.example"
    assert message["From"].addresses[0].display_name == "Größer & Söhne Billing"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert body(received, "plain") == RECEIPT.text
    assert body(received, "html") == RECEIPT.html


async def test_a_pdf_comes_with_the_mail_byte_for_byte(mailer: SandboxMailer) -> None:
    pdf = bytes(range(256)) * 200
    await mailer.send(replace(RECEIPT, attachment=Attachment("SL-DE-2026-000001.pdf", pdf)))
    (received,) = await mailer.messages()
    assert received.raw.isascii()
    message = received.parsed()
    assert message.get_content_type() == "multipart/mixed"
    assert message["Content-Language"] == "de"
    (attached,) = message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", "SL-DE-2026-000001.pdf")
    assert attached.get_content() == pdf
    assert body(received, "plain") == RECEIPT.text
    assert body(received, "html") == RECEIPT.html


async def test_a_mail_is_seven_bits_wide_with_short_lines_and_no_defects(mailer: SandboxMailer) -> None:
    await mailer.send(RECEIPT)
    (received,) = await mailer.messages()
    assert received.raw.isascii()
    assert received.raw.count(b"\n") == received.raw.count(b"\r\n") > 10
    assert max(map(len, received.raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    message = received.parsed()
    assert not message.defects
    assert not any(value.defects for value in message.values())


async def test_a_mail_is_dated_by_the_clock(mailer: SandboxMailer, clock: MovableClock) -> None:
    moved = await clock.move(timedelta(days=3).total_seconds())
    await mailer.send(RECEIPT)
    (received,) = await mailer.messages()
    dated = received.parsed()["Date"].datetime
    assert isinstance(dated, datetime)
    assert timedelta(0) <= received.received_at - moved < timedelta(seconds=5)
    assert abs(dated - moved) < timedelta(seconds=5)


async def test_a_mail_sent_twice_is_there_twice_and_known_as_one(mailer: SandboxMailer) -> None:
    await mailer.send(RECEIPT)
    await mailer.send(RECEIPT)
    received = await mailer.messages()
    assert len(received) == 2
    assert len({message.parsed()["Message-ID"] for message in received}) == 1


async def test_of_many_mails_at_once_none_is_lost(mailer: SandboxMailer) -> None:
    mails = [replace(RECEIPT, message_id=f"<receipt-{number}@seatledger.example>") for number in range(20)]
    await asyncio.gather(*map(mailer.send, mails))
    received = {message.parsed()["Message-ID"] for message in await mailer.messages()}
    assert received == {mail.message_id for mail in mails}


@pytest.mark.parametrize(
    "recipient",
    [
        "jana@undeliverable.example",
        "jana@UNDELIVERABLE.Example",
        "jana",
        "",
        "@example.com",
        "jana@",
        "jana vogt@example.com",
        "jana@example.com, other@example.com",
        "Jana <jana@example.com>",
        "jäna@example.com",
        "jana@exämple.com",
        "jana@example.com\r\nBcc: other@example.com",
        "jana@example.com\n",
        "jana\0@example.com",
    ],
)
async def test_a_recipient_that_mail_can_not_reach_is_refused_without_being_named(
    mailer: SandboxMailer, recipient: str
) -> None:
    with pytest.raises(MailUndeliverable) as refused:
        await mailer.send(replace(RECEIPT, recipient=recipient))
    error: BaseException | None = refused.value
    while error is not None:  # what a traceback would show
        assert "jana" not in str(error).lower()
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert await mailer.messages() == []


@pytest.mark.parametrize(
    "mail",
    [
        replace(RECEIPT, subject="Quittung\r\nBcc: other@example.com"),
        replace(RECEIPT, message_id=""),
        replace(RECEIPT, message_id="<receipt>"),
        replace(RECEIPT, message_id="<a b@seatledger.example>"),
        replace(RECEIPT, message_id="<a@seatledger.example>\r\nBcc: other@example.com"),
        replace(RECEIPT, locale="de\r\nBcc: other@example.com"),
    ],
)
async def test_a_message_whose_headers_would_break_is_refused(mailer: SandboxMailer, mail: Mail) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await mailer.send(mail)
    assert await mailer.messages() == []


async def test_a_long_message_id_stays_whole(mailer: SandboxMailer) -> None:
    long = replace(RECEIPT, message_id=f"<{'receipt-' * 20}@seatledger.example>")
    await mailer.send(long)
    assert (await mailer.messages())[0].parsed()["Message-ID"] == long.message_id


async def test_a_message_id_without_its_brackets_gets_them(mailer: SandboxMailer) -> None:
    await mailer.send(replace(RECEIPT, message_id=RECEIPT.message_id.strip("<>")))
    assert (await mailer.messages())[0].parsed()["Message-ID"] == RECEIPT.message_id


async def test_a_locale_becomes_a_language_tag(mailer: SandboxMailer) -> None:
    await mailer.send(replace(RECEIPT, locale="en_GB"))
    assert (await mailer.messages())[0].parsed()["Content-Language"] == "en-GB"


async def test_a_lost_answer_means_a_second_copy_when_sent_again(mailer: SandboxMailer, script: Script) -> None:
    await script.plan("mail.send", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await mailer.send(RECEIPT)
    await mailer.send(RECEIPT)
    assert len(await mailer.messages()) == 2


async def test_what_fails_before_its_effect_leaves_the_inbox_empty(mailer: SandboxMailer, script: Script) -> None:
    await script.plan("mail.send", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await mailer.send(RECEIPT)
    await script.plan(f"mail.send:{RECEIPT.message_id}", "before", "reject")
    with pytest.raises(MailUndeliverable):
        await mailer.send(RECEIPT)
    assert await mailer.messages() == []
