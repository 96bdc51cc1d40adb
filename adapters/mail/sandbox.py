"""A mail server that delivers into an inbox of its own, each message as the bytes that would go over the wire."""

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final
from uuid import uuid4

from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Behaviour, Script
from services.ports import Clock, Mail, MailUndeliverable

_BOOK: Final = "mail.inbox"
_UNDELIVERABLE: Final = "undeliverable.example"

# The enhanced status codes of RFC 3463 that mail servers answer with.
_REFUSED: Final = "550 5.7.1 the message is refused"
_NO_MAILBOX: Final = "550 5.1.1 the mailbox does not exist"
_NO_ADDRESS: Final = "553 5.1.3 the address has no valid form"

_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A message in the inbox, in full (RFC 5322, CRLF line ends)."""

    recipient: str
    received_at: datetime
    raw: bytes

    def parsed(self) -> EmailMessage:
        """The message with its headers and parts decoded."""
        return message_from_bytes(self.raw, policy=policy.SMTP)


class SandboxMailer:
    """services.ports.Mailer. `sender` stands in From: `Seatledger <billing@seatledger.example>`."""

    def __init__(self, books: SandboxBooks, clock: Clock, sender: str) -> None:
        """Keep the inbox in these books."""
        self._books, self._clock, self._sender, self._script = books, clock, sender, Script(books)

    async def send(self, mail: Mail) -> None:
        """See services.ports.Mailer. Sent twice, it lies in the inbox twice.

        MailUndeliverable: recipients @undeliverable.example, and addresses that no server would take. Raises
        ValueError for a message that is none: a line break in the subject, a broken Message-ID.
        """
        async with self._script.around("mail.send", mail.message_id) as planned:
            if planned is Behaviour.REJECT:
                raise MailUndeliverable(_REFUSED)
            now = await self._clock.now()
            message = composed(mail, self._sender, now)
            if _domain(mail.recipient) == _UNDELIVERABLE:
                raise MailUndeliverable(_NO_MAILBOX)
            async with self._books.entry(_BOOK, str(uuid4())) as document:
                document["recipient"] = mail.recipient
                document["received_at"] = now.isoformat()
                document["raw"] = message.as_bytes(policy=policy.SMTP).decode("ascii")

    async def messages(self) -> list[ReceivedMail]:
        """The inbox, oldest first."""
        return [
            ReceivedMail(
                document["recipient"], datetime.fromisoformat(document["received_at"]), document["raw"].encode("ascii")
            )
            for _, document in await self._books.list(_BOOK)
        ]


def composed(mail: Mail, sender: str, at: datetime) -> EmailMessage:
    """The message with text and HTML as alternatives and what is attached, in seven bits.

    Raises MailUndeliverable for a recipient in no valid or no ASCII form (the server has no SMTPUTF8, RFC 6531), and
    ValueError for headers that would not be ones.
    """
    message_id = mail.message_id if mail.message_id.startswith("<") else f"<{mail.message_id}>"
    if not _MESSAGE_ID.fullmatch(message_id):
        error = "a Message-ID is LEFT@RIGHT without spaces"
        raise ValueError(error)
    message = EmailMessage(policy=policy.SMTP)
    message["Message-ID"] = message_id
    message["Date"] = at
    message["From"] = sender
    message["To"] = _address(mail.recipient)
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply to this
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    if mail.attachment:
        name, pdf = mail.attachment.name, mail.attachment.pdf
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=name)
    message["Content-Language"] = mail.locale.replace("_", "-")  # last: new content drops such headers
    return message


def _address(recipient: str) -> Address:
    try:
        recipient.encode("ascii")
        address = Address(addr_spec=recipient)
    except (UnicodeEncodeError, HeaderParseError, ValueError, IndexError):
        address = None
    if address is None or not address.username or not address.domain:
        raise MailUndeliverable(_NO_ADDRESS) from None
    return address


def _domain(recipient: str) -> str:
    return recipient.rpartition("@")[2].lower()
