"""Mailing receipts and notices: at least once, each under one Message-ID, and told when nobody can be reached."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from domain.account import BillingAccount
from domain.notices import Notice, NoticeKind
from domain.order import PAYABLE, ServiceOrder
from domain.personal_data import VaultReference
from domain.quote import Quote
from services.ports import (
    Attachment,
    Claim,
    Clock,
    CommandContext,
    EventStore,
    Letter,
    Mail,
    Mailer,
    MailUndeliverable,
    NoticeContent,
    NoticeRenderer,
    Vault,
)
from services.vault_records import (
    ActionLink,
    Contact,
    CreditNoteDocument,
    LegalName,
    ReceiptDocument,
    RecordErased,
    opened,
)
from services.working import recorded, worker_context

ACTOR: Final = "mail"


class Mailing:
    """What both kinds of mail have in common."""

    def __init__(self, events: EventStore, vault: Vault, clock: Clock, mailer: Mailer, mail_domain: str) -> None:
        """`mail_domain` is the right side of the Message-ID."""
        self._events, self._vault, self._clock, self._mailer = events, vault, clock, mailer
        self._mail_domain = mail_domain

    async def _send(self, mail: Mail, keep: Callable[[], Awaitable[None]]) -> str | None:
        """None once the server took the mail, or why it never will."""
        await keep()
        try:
            await self._mailer.send(mail)
        except MailUndeliverable as error:
            return str(error)
        return None

    async def _record(
        self, claim: Claim, kind: type[ServiceOrder] | type[Quote], what: str, decide: Callable[..., None]
    ) -> None:
        async def attempt() -> None:
            subject = (await self._events.load(claim.subject_id)).require(kind, claim.subject_id)
            context = await worker_context(ACTOR, claim, subject, what, self._clock)
            decide(subject, context)
            await self._events.append(subject, context=context)

        await recorded(attempt)


class ReceiptMail(Mailing):
    """services.working.Work on the list of receipts to send; each copy asked for has a Message-ID of its own."""

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
        document = order.receipt_document
        if document is None or order.receipt_sent or order.receipt_undeliverable:
            return
        recipient, copy = order.receipt_recipient, order.receipt_copies
        records = await self._vault.read((document, recipient))
        receipt = opened(records, document, ReceiptDocument)
        suffix = "" if copy == 1 else f"-{copy}"
        mail = Mail(
            message_id=f"<receipt-{order.receipt_number}{suffix}@{self._mail_domain}>",
            recipient=opened(records, recipient, Contact).email,
            subject=receipt.subject,
            text=receipt.text,
            html=receipt.html,
            locale=order.locale,
            attachment=Attachment(f"{order.receipt_number}.pdf", receipt.pdf) if receipt.pdf else None,
        )
        refused = await self._send(mail, keep)

        def decide(order: ServiceOrder, context: CommandContext) -> None:
            if order.receipt_copies != copy:
                return
            if refused is None:
                order.receipt_was_sent(mail.message_id, recipient, copy, context.now)
            else:
                order.receipt_was_undeliverable(mail.message_id, refused, context.now)

        await self._record(claim, ServiceOrder, "receipt_mail", decide)


class NoticeMail(Mailing):
    """services.working.Work on the list of notices: an order's, and a quote's that ends soon."""

    def __init__(
        self,
        events: EventStore,
        vault: Vault,
        clock: Clock,
        mailer: Mailer,
        mail_domain: str,
        renderer: NoticeRenderer,
    ) -> None:
        """`renderer` writes the letters; a credit note's is the document itself."""
        super().__init__(events, vault, clock, mailer, mail_domain)
        self._renderer = renderer

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        streams = await self._events.load(claim.subject_id)
        if claim.work == Notice(NoticeKind.QUOTE_EXPIRES_SOON).work:
            await self._about_quote(streams.require(Quote, claim.subject_id), claim, keep)
            return
        order = streams.require(ServiceOrder, claim.subject_id)
        notice = next((each for each in order.notices_due if each.work == claim.work), None)
        if notice:
            await self._about_order(order, notice, claim, keep)

    async def _about_order(
        self, order: ServiceOrder, notice: Notice, claim: Claim, keep: Callable[[], Awaitable[None]]
    ) -> None:
        account = await self._account(order.account_id)
        recipient = account.billing_contact
        name = f"{notice.kind}-{notice.reference}" if notice.reference else notice.kind.value
        message_id = f"<{name}-{order.number}@{self._mail_domain}>".replace("_", "-")
        try:
            contact = await self._contact(recipient)
            letter = await self._letter_about_order(order, account, contact, notice)
            refused = await self._send(_mail(message_id, contact, letter, order.locale), keep)
        except RecordErased:
            refused = "the billing contact was erased"

        def decide(order: ServiceOrder, context: CommandContext) -> None:
            if refused is None:
                order.notice_sent(notice, message_id, recipient, context.now)
            else:
                order.notice_was_undeliverable(notice, message_id, refused, context.now)

        await self._record(claim, ServiceOrder, notice.work, decide)

    async def _letter_about_order(
        self, order: ServiceOrder, account: BillingAccount, contact: Contact, notice: Notice
    ) -> Letter:
        if notice.kind is NoticeKind.CREDIT_NOTE:
            reference = order.credit_notes[notice.reference]
            assert reference is not None  # every credit note that this version issues has its document
            document = opened(await self._vault.read((reference,)), reference, CreditNoteDocument)
            return Letter(document.subject, document.text, document.html)
        link = None
        if notice.kind is NoticeKind.PAYMENT_ACTION_REQUIRED and order.action:
            link = opened(await self._vault.read((order.action,)), order.action, ActionLink).url
        whole = notice.kind in {NoticeKind.ORDER_CANCELLED, NoticeKind.ORDER_OVERDUE}
        return self._renderer.render(
            NoticeContent(
                kind=notice.kind,
                number=order.number,
                locale=order.locale,
                time_zone=order.time_zone,
                currency=order.currency,
                legal_name=await self._legal_name(account),
                contact=contact,
                account_number=account.number,
                lines=order.lines,
                provisioned=order.provisioned_lines,
                rejected=order.rejected_lines,
                amount=order.totals.gross if whole else order.amount_due,
                until=order.due_at if notice.kind is NoticeKind.ORDER_OVERDUE else order.pay_until,
                link=link,
                reason=_reason(order, notice.kind),
                payment_method=order.payment_method,
            )
        )

    async def _about_quote(self, quote: Quote, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        if not quote.notice_due:
            return
        account = await self._account(quote.account_id)
        recipient = account.billing_contact
        message_id = f"<quote-expires-soon-{quote.number}@{self._mail_domain}>"
        try:
            contact = await self._contact(recipient)
            letter = self._renderer.render(
                NoticeContent(
                    kind=NoticeKind.QUOTE_EXPIRES_SOON,
                    number=quote.number,
                    locale=account.language,
                    time_zone=quote.time_zone,
                    currency=quote.currency,
                    legal_name=await self._legal_name(account),
                    contact=contact,
                    account_number=account.number,
                    lines=quote.lines,
                    provisioned=(),
                    rejected=(),
                    amount=quote.totals.gross,
                    until=quote.valid_until,
                )
            )
            refused = await self._send(_mail(message_id, contact, letter, account.language), keep)
        except RecordErased:
            refused = "the billing contact was erased"

        def decide(quote: Quote, context: CommandContext) -> None:
            if refused is None:
                quote.notice_sent(message_id, recipient, context.now)
            else:
                quote.notice_was_undeliverable(message_id, refused, context.now)

        await self._record(claim, Quote, "notice", decide)

    async def _account(self, id: UUID) -> BillingAccount:
        return (await self._events.load(id)).require(BillingAccount, id)

    async def _contact(self, reference: VaultReference) -> Contact:
        return opened(await self._vault.read((reference,)), reference, Contact)

    async def _legal_name(self, account: BillingAccount) -> LegalName:
        return opened(await self._vault.read((account.legal_name,)), account.legal_name, LegalName)


def _reason(order: ServiceOrder, kind: NoticeKind) -> str | None:
    """Why, as a code; an overdue order's says whether it is the customer whom it waits for."""
    if kind is NoticeKind.ORDER_CANCELLED:
        return order.cancelling
    if kind is NoticeKind.ORDER_OVERDUE:
        return "not paid" if order.state in PAYABLE else None
    return order.decline_code


def _mail(message_id: str, contact: Contact, letter: Letter, locale: str) -> Mail:
    return Mail(message_id, contact.email, letter.subject, letter.text, letter.html, locale)
