"""Issuing receipts and credit notes, each under the next number of its series."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from domain.account import BillingAccount
from domain.calendar import business_day
from domain.credit_notes import CreditNoteSeries
from domain.identifiers import credit_note_series_id, receipt_series_id, vault_id
from domain.money import Totals, divided_half_up
from domain.order import OrderState, ServiceOrder
from domain.pricing import totals
from domain.receipts import ReceiptSeries
from services.ports import (
    Claim,
    Clock,
    CommandContext,
    CreditNoteContent,
    CreditNoteRenderer,
    EventStore,
    ReceiptContent,
    ReceiptRenderer,
    Vault,
)
from services.vault_records import Address, Contact, LegalName, PurchaseOrder, opened
from services.working import recorded, worker_context

ACTOR: Final = "receipts"


class Receipts:
    """Receipts and credit notes of one seller; numbers by year in the seller's time zone."""

    def __init__(
        self,
        events: EventStore,
        vault: Vault,
        clock: Clock,
        renderer: ReceiptRenderer,
        credit_notes: CreditNoteRenderer,
        seller_time_zone: str,
    ) -> None:
        """The renderers make the documents that are kept and mailed."""
        self._events, self._vault, self._clock, self._renderer = events, vault, clock, renderer
        self._credit_notes, self._seller_time_zone = credit_notes, seller_time_zone
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
            version = await self._opened(ReceiptSeries, receipt_series_id(order.seller, year), order, year, context)
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

    async def issue_credit_note(self, order: ServiceOrder, refund_id: str, claim: Claim) -> None:
        """Render with the next number and record the refund and its credit note in one append, as for a receipt."""

        async def attempt() -> None:
            streams = await self._events.load(order.id, order.account_id)
            current = streams.require(ServiceOrder, order.id)
            refund = current.refund_due
            if refund is None:
                return
            account = streams.require(BillingAccount, order.account_id)
            context = await worker_context(ACTOR, claim, current, "credit_note", self._clock)
            year = business_day(context.now, self._seller_time_zone).year
            series_id = credit_note_series_id(order.seller, year)
            version = await self._opened(CreditNoteSeries, series_id, order, year, context)
            series = CreditNoteSeries.resumed(order.seller, year, version)
            content = await self._credit_note_content(current, account, series, context.now)
            document = self._credit_notes.render(content)
            credit_note_id = uuid5(order.id, f"credit note {refund.number}")
            sealed = self._vault.seal(vault_id(credit_note_id, document.KIND), 1, account.id, document)
            series.issue(
                credit_note_id,
                account.id,
                order.id,
                content.receipt_number,
                content.issued_on,
                content.locale,
                content.currency,
                content.totals,
                sealed.reference,
                document.digest,
                self._credit_notes.template_version,
                self._credit_notes.renderer_version,
                context.now,
            )
            current.payment_refunded(refund_id, content.credit_note_number, sealed.reference, context.now)
            await self._events.append(current, series, context=context, vault=(sealed,))

        async with self._turn:
            await recorded(attempt)

    async def _opened(
        self,
        kind: type[ReceiptSeries] | type[CreditNoteSeries],
        series_id: UUID,
        order: ServiceOrder,
        year: int,
        context: CommandContext,
    ) -> int:
        """The version of the series, which is opened if nobody did before."""
        version = await self._events.version_of(series_id)
        if version:
            return version
        opened = kind(id=series_id, seller=order.seller, year=year, timestamp=context.now)
        opening = replace(context, command_id=uuid5(series_id, "open"))
        return (await self._events.append(opened, context=opening)).version

    async def _credit_note_content(
        self, order: ServiceOrder, account: BillingAccount, series: CreditNoteSeries, at: datetime
    ) -> CreditNoteContent:
        details, refund = order.details, order.refund_due
        records = await self._vault.read((details.legal_name, details.billing_contact, details.billing_address))
        assert refund is not None  # there is one to be told of
        assert order.receipt_number is not None  # it was charged
        assert order.payment_method is not None
        line, charged = order.provisioned_lines[0], totals(order.provisioned_lines)
        tax = divided_half_up(refund.amount * charged.tax, charged.gross)
        return CreditNoteContent(
            credit_note_number=series.next_credit_note_number,
            receipt_number=order.receipt_number,
            order_number=order.number,
            issued_on=business_day(at, self._seller_time_zone),
            locale=order.locale,
            currency=order.currency,
            legal_name=opened(records, details.legal_name, LegalName),
            billing_contact=opened(records, details.billing_contact, Contact),
            billing_address=opened(records, details.billing_address, Address),
            vat_id=account.vat_id,
            account_number=account.number,
            totals=Totals(net=refund.amount - tax, tax=tax, gross=refund.amount),
            tax_category=line.tax_category,
            tax_country=line.tax_country,
            tax_rate_basis_points=line.tax_rate_basis_points,
            reason=refund.reason,
            payment_method=order.payment_method,
        )

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
