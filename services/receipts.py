"""Issuing a receipt under the next number, and mailing it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import uuid5

from domain.account import BillingAccount
from domain.calendar import business_day
from domain.identifiers import receipt_series_id, vault_id
from domain.order import OrderState, ServiceOrder
from domain.personal_data import VaultReference
from domain.pricing import totals
from domain.receipts import ReceiptSeries
from services.ports import (
    Claim,
    Clock,
    EventStore,
    Mail,
    Mailer,
    MailUndeliverable,
    ReceiptContent,
    ReceiptRenderer,
    Vault,
)
from services.vault_records import Address, Contact, LegalName, PurchaseOrder, ReceiptDocument, opened
from services.working import recorded, worker_context

ACTOR: Final = "receipts"


class Receipts:
    """Receipts of one seller; numbers by year in the seller's time zone."""

    def __init__(
        self, events: EventStore, vault: Vault, clock: Clock, renderer: ReceiptRenderer, seller_time_zone: str
    ) -> None:
        """`renderer` makes the document that is kept and mailed."""
        self._events, self._vault, self._clock, self._renderer = events, vault, clock, renderer
        self._seller_time_zone = seller_time_zone
        # Whoever renders with a number that another takes meanwhile renders again: here it is cheaper to queue.
        self._turn = asyncio.Lock()

    async def issue(self, order: ServiceOrder, claim: Claim) -> None:
        """Render with the next number and record receipt and completion in one append; on a conflict, render anew."""

        async def attempt() -> None:
            streams = await self._events.load(order.id, order.account_id)
            current = streams.require(ServiceOrder, order.id)
            if current.state is not OrderState.CAPTURED:
                return
            account = streams.require(BillingAccount, order.account_id)
            context = await worker_context(ACTOR, claim, current, "receipt", self._clock)
            year = business_day(context.now, self._seller_time_zone).year
            series_id = receipt_series_id(order.seller, year)
            version = await self._events.version_of(series_id)
            if version == 0:
                opened = ReceiptSeries(id=series_id, seller=order.seller, year=year, timestamp=context.now)
                opening = replace(context, command_id=uuid5(series_id, "open"))
                version = (await self._events.append(opened, context=opening)).version
            series = ReceiptSeries.resumed(order.seller, year, version)
            content = await self._content(current, account, series, context.now)
            document = self._renderer.render(content)
            receipt_id = uuid5(order.id, "receipt")
            sealed = self._vault.seal(vault_id(receipt_id, document.KIND), 1, account.id, document)
            series.issue(
                receipt_id,
                account.id,
                order.id,
                content.issued_on,
                content.locale,
                content.currency,
                content.totals,
                sealed.reference,
                document.digest,
                self._renderer.template_version,
                self._renderer.renderer_version,
                context.now,
            )
            current.complete(receipt_id, content.receipt_number, sealed.reference, context.now)
            await self._events.append(current, series, context=context, vault=(sealed,))

        async with self._turn:
            await recorded(attempt)

    async def _content(
        self, order: ServiceOrder, account: BillingAccount, series: ReceiptSeries, at: datetime
    ) -> ReceiptContent:
        details = order.details
        references = (details.legal_name, details.billing_contact, details.billing_address)
        purchase_order = order.purchase_order
        records = await self._vault.read((*references, *((purchase_order,) if purchase_order else ())))
        assert order.payment_method is not None  # it was charged
        return ReceiptContent(
            receipt_number=series.next_receipt_number,
            order_number=order.number,
            issued_on=business_day(at, self._seller_time_zone),
            locale=order.locale,
            currency=order.currency,
            legal_name=opened(records, details.legal_name, LegalName),
            billing_contact=opened(records, details.billing_contact, Contact),
            billing_address=opened(records, details.billing_address, Address),
            vat_id=account.vat_id,
            account_number=account.number,
            purchase_order=opened(records, purchase_order, PurchaseOrder).number if purchase_order else None,
            lines=order.provisioned_lines,
            totals=totals(order.provisioned_lines),
            payment_method=order.payment_method,
        )


class ReceiptMail:
    """services.working.Work on the list of receipts to send: at least once, under one Message-ID."""

    def __init__(self, events: EventStore, vault: Vault, clock: Clock, mailer: Mailer, mail_domain: str) -> None:
        """`mail_domain` is the right side of the Message-ID."""
        self._events, self._vault, self._clock, self._mailer = events, vault, clock, mailer
        self._mail_domain = mail_domain

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
        document = order.receipt_document
        if document is None or order.receipt_sent or order.receipt_undeliverable:
            return
        recipient = order.details.billing_contact
        records = await self._vault.read((document, recipient))
        receipt = opened(records, document, ReceiptDocument)
        mail = Mail(
            message_id=f"<receipt-{order.receipt_number}@{self._mail_domain}>",
            recipient=opened(records, recipient, Contact).email,
            subject=receipt.subject,
            text=receipt.text,
            html=receipt.html,
            locale=order.locale,
        )
        await keep()
        try:
            await self._mailer.send(mail)
        except MailUndeliverable as error:
            await self._record_undeliverable(claim, mail.message_id, str(error))
        else:
            await self._record_sent(claim, mail.message_id, recipient)

    async def _record_sent(self, claim: Claim, message_id: str, recipient: VaultReference) -> None:
        async def attempt() -> None:
            order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
            context = await worker_context(ACTOR, claim, order, "sent", self._clock)
            order.receipt_was_sent(message_id, recipient, 1, context.now)
            await self._events.append(order, context=context)

        await recorded(attempt)

    async def _record_undeliverable(self, claim: Claim, message_id: str, reason: str) -> None:
        async def attempt() -> None:
            order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
            context = await worker_context(ACTOR, claim, order, "undeliverable", self._clock)
            order.receipt_was_undeliverable(message_id, reason, context.now)
            await self._events.append(order, context=context)

        await recorded(attempt)
