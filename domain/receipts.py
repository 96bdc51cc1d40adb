"""The receipts of one seller and year, numbered without a gap because the number follows from the stream's version."""

from datetime import UTC, date, datetime
from uuid import UUID

from eventsourcing.domain import event

from domain.identifiers import receipt_series_id
from domain.ledger import LedgerAggregate, LedgerEvent
from domain.money import Totals
from domain.personal_data import VaultReference


class ReceiptSeries(LedgerAggregate):
    """Receipt numbers 1, 2, 3 ... of one seller and year."""

    TOPIC = "ReceiptSeries"

    class Event(LedgerAggregate.Event):
        """A fact about the series."""

    class ReceiptSeriesOpened(Event, LedgerAggregate.Created):
        """The series begins; its first receipt will be number 1."""

        TOPIC = "ReceiptSeriesOpened.v1"
        seller: str
        year: int

    Created = ReceiptSeriesOpened

    class ReceiptIssued(Event):
        """The receipt of an order. `document_digest`: hex SHA-256 of the bytes kept in the vault."""

        TOPIC = "ReceiptIssued.v1"
        receipt_id: UUID
        number: int
        receipt_number: str
        account_id: UUID
        order_id: UUID
        issued_on: date
        locale: str
        currency: str
        totals: Totals
        document: VaultReference
        document_digest: str
        template_version: str
        renderer_version: str

    @event(ReceiptSeriesOpened)
    def __init__(self, id: UUID, seller: str, year: int, timestamp: datetime) -> None:
        """Open the series."""
        self.account_id, self.seller, self.year = id, seller, year

    @classmethod
    def resumed(cls, seller: str, year: int, version: int) -> "ReceiptSeries":
        """The series as its `version` events left it, without reading them: a receipt changes nothing but the version.

        A year's stream is too long to fold for each receipt.
        """
        series = cls.__new__(cls)
        opened_at = datetime(year, 1, 1, tzinfo=UTC)
        series.__base_init__(receipt_series_id(seller, year), version, opened_at)
        series.account_id, series.seller, series.year = series.id, seller, year
        return series

    @property
    def next_number(self) -> int:
        """The number of the next receipt: the opening event took version 1."""
        return self.version

    @property
    def next_receipt_number(self) -> str:
        """The number as printed.

        >>> ReceiptSeries.resumed("SL-DE", 2026, version=7).next_receipt_number
        'SL-DE-2026-000007'
        """
        return f"{self.seller}-{self.year}-{self.next_number:06d}"

    def account_of(self, event: LedgerEvent) -> UUID:
        """A receipt stands in its account's history, the opening in the series' own."""
        return event.account_id if isinstance(event, ReceiptSeries.ReceiptIssued) else self.account_id

    def issue(
        self,
        receipt_id: UUID,
        account_id: UUID,
        order_id: UUID,
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
        """Issue the receipt with the next number, which the document must already show."""
        self._issue(
            receipt_id=receipt_id,
            number=self.next_number,
            receipt_number=self.next_receipt_number,
            account_id=account_id,
            order_id=order_id,
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

    @event(ReceiptIssued)
    def _issue(
        self,
        receipt_id: UUID,
        number: int,
        receipt_number: str,
        account_id: UUID,
        order_id: UUID,
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
