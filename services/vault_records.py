"""The personal data that the vault keeps, as typed records with one canonical form each."""

import hashlib
from collections.abc import Mapping
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.personal_data import VaultReference


class VaultRecord(BaseModel):
    """A record of the vault. KIND names it in the vault's table and in its id."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    KIND: ClassVar[str]

    def canonical(self) -> bytes:
        """The bytes that are sealed: JSON with the fields in the order of the class."""
        return self.model_dump_json().encode()


class LegalName(VaultRecord):
    """The company's registered name."""

    KIND: ClassVar[str] = "legal_name"
    name: str


class Contact(VaultRecord):
    """A person who gets mail; `phone` in E.164 form."""

    KIND: ClassVar[str] = "contact"
    name: str
    email: str
    phone: str | None = None


class Address(VaultRecord):
    """A postal address; `country` ISO 3166."""

    KIND: ClassVar[str] = "address"
    street: str
    postal_code: str
    city: str
    region: str | None = None
    country: str


class GatewayToken(VaultRecord):
    """What the payment gateway gave in place of a card."""

    KIND: ClassVar[str] = "gateway_token"
    token: str


class PurchaseOrder(VaultRecord):
    """The customer's own reference for the order."""

    KIND: ClassVar[str] = "purchase_order"
    number: str


class RequestContext(VaultRecord):
    """Where the order was placed from."""

    KIND: ClassVar[str] = "request_context"
    ip: str | None
    user_agent: str | None


class ActionLink(VaultRecord):
    """Where the card's holder confirms the payment."""

    KIND: ClassVar[str] = "action_link"
    url: str


class ReviewedPage(VaultRecord):
    """The service order as its admin reviewed it, byte for byte."""

    KIND: ClassVar[str] = "reviewed_page"
    locale: str
    html: str

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the page's bytes."""
        return hashlib.sha256(self.html.encode()).hexdigest()


class ReceiptDocument(VaultRecord):
    """The receipt as it was issued, in each of its forms, and its subject line.

    Receipts of before `receipt.2` have no PDF, and those whose names its fonts can't show.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")  # RFC 4648 section 5
    KIND: ClassVar[str] = "receipt_document"
    subject: str
    text: str
    html: str
    pdf: bytes | None = None

    def canonical(self) -> bytes:
        """As any record's; a PDF that is not there is no field, so that earlier receipts keep their digest."""
        return self.model_dump_json(exclude={"pdf"} if self.pdf is None else None).encode()

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical bytes: the same document has the same, whatever the salt."""
        return hashlib.sha256(self.canonical()).hexdigest()


class CreditNoteDocument(ReceiptDocument):
    """The credit note as it was issued."""

    KIND: ClassVar[str] = "credit_note_document"


class RecordErased(Exception):
    """The vault no longer has the record; what needs it can't be done any more."""


Record = TypeVar("Record", bound=VaultRecord)


def opened(records: Mapping[VaultReference, VaultRecord], reference: VaultReference, kind: type[Record]) -> Record:
    """The record at the reference; raises RecordErased if it is gone or of another kind."""
    record = records.get(reference)
    if not isinstance(record, kind):
        message = f"no {kind.KIND} at {reference.id} version {reference.version}"
        raise RecordErased(message)
    return record
