"""The credit notes of one seller and year, in a series of their own without a gap."""

from datetime import UTC, date, datetime
from uuid import UUID

from eventsourcing.domain import event

from domain.identifiers import credit_note_series_id
from domain.ledger import LedgerAggregate, LedgerEvent
from domain.money import Totals
from domain.personal_data import VaultReference


class CreditNoteSeries(LedgerAggregate):
    """Credit note numbers 1, 2, 3 ... of one seller and year."""

    TOPIC = "CreditNoteSeries"

    class Event(LedgerAggregate.Event):
        """A fact about the series."""

    class CreditNoteSeriesOpened(Event, LedgerAggregate.Created):
        """The series begins; its first credit note will be number 1."""

        TOPIC = "CreditNoteSeriesOpened.v1"
        seller: str
        year: int

    Created = CreditNoteSeriesOpened

    class CreditNoteIssued(Event):
        """Money went back. `totals` are positive amounts that lessen those of the receipt."""

        TOPIC = "CreditNoteIssued.v1"
        credit_note_id: UUID
        number: int
        credit_note_number: str
        account_id: UUID
        order_id: UUID
        receipt_number: str
        issued_on: date
        locale: str
        currency: str
        totals: Totals
        document: VaultReference
        document_digest: str
        template_version: str
        renderer_version: str

    @event(CreditNoteSeriesOpened)
    def __init__(self, id: UUID, seller: str, year: int, timestamp: datetime) -> None:
        """Open the series."""
        self.account_id, self.seller, self.year = id, seller, year

    @classmethod
    def resumed(cls, seller: str, year: int, version: int) -> "CreditNoteSeries":
        """The series as its `version` events left it, without reading them."""
        series = cls.__new__(cls)
        series.__base_init__(credit_note_series_id(seller, year), version, datetime(year, 1, 1, tzinfo=UTC))
        series.account_id, series.seller, series.year = series.id, seller, year
        return series

    @property
    def next_credit_note_number(self) -> str:
        """The number as printed; the opening event took version 1.

        >>> CreditNoteSeries.resumed("SL-DE", 2026, version=7).next_credit_note_number
        'SL-DE-CN-2026-000007'
        """
        return f"{self.seller}-CN-{self.year}-{self.version:06d}"

    def account_of(self, event: LedgerEvent) -> UUID:
        """A credit note stands in its account's history, the opening in the series' own."""
        return event.account_id if isinstance(event, CreditNoteSeries.CreditNoteIssued) else self.account_id

    def issue(
        self,
        credit_note_id: UUID,
        account_id: UUID,
        order_id: UUID,
        receipt_number: str,
        issued_on: date,
        locale: str,
        currency: str,
        totals: Totals,
        document: VaultReference,
        document_digest: str,
        template_version: str,
        renderer_version: str,
        at: datetime,
    ) -> None:
        """Issue the credit note with the next number, which the document must already show."""
        self._issue(
            credit_note_id=credit_note_id,
            number=self.version,
            credit_note_number=self.next_credit_note_number,
            account_id=account_id,
            order_id=order_id,
            receipt_number=receipt_number,
            issued_on=issued_on,
            locale=locale,
            currency=currency,
            totals=totals,
            document=document,
            document_digest=document_digest,
            template_version=template_version,
            renderer_version=renderer_version,
            timestamp=at,
        )

    @event(CreditNoteIssued)
    def _issue(
        self,
        credit_note_id: UUID,
        number: int,
        credit_note_number: str,
        account_id: UUID,
        order_id: UUID,
        receipt_number: str,
        issued_on: date,
        locale: str,
        currency: str,
        totals: Totals,
        document: VaultReference,
        document_digest: str,
        template_version: str,
        renderer_version: str,
        timestamp: datetime,
    ) -> None: ...
