"""What the services need of the world. Every port has a memory or sandbox adapter that ships."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.envelope import Actor
from domain.history import SomeAggregate
from domain.ledger import LedgerAggregate
from domain.money import Totals
from domain.notices import NoticeKind
from domain.personal_data import PaymentMethod, PaymentMethodKind, VaultReference
from domain.pricing import QuoteLine
from domain.tax import TaxCategory
from services.vault_records import Address, Contact, CreditNoteDocument, LegalName, ReceiptDocument, VaultRecord

# --- the store -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """Where an append ended: a position of the log in the account's partition. What a reader may wait for."""

    position: int
    partition: int

    def __str__(self) -> str:
        """The token that clients carry."""
        return f"{self.partition}.{self.position}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: which resource, at which version of its stream. Stored with the idempotency key."""

    kind: str
    id: UUID
    version: int
    position: Position


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Who commands, when by business time, and how the command is known again.

    `fingerprint` is SHA-256 of the request; None with `idempotency_key` None for commands that workers derive.
    """

    command_id: UUID
    actor: Actor
    now: datetime
    correlation_id: UUID
    causation_id: UUID
    on_behalf_of: str | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A vault record ready to be appended: its reference, whose it is, salt and canonical bytes."""

    reference: VaultReference
    account_id: UUID
    kind: str
    salt: bytes
    canonical: bytes


class VersionConflict(Exception):
    """Somebody changed a stream that the decision was based on; nothing of this append was stored."""


class AppendTooLarge(Exception):
    """An event is larger than the log can carry; nothing of this append was stored."""


class StoreUnavailable(Exception):
    """The database does not answer. Whether the append was stored is unknown; the same command may be sent again."""


class Streams(Protocol):
    """What was loaded: the aggregates by id, and what came of the command if it was carried out before."""

    done: Outcome | None

    def find(self, kind: type[SomeAggregate], id: UUID) -> SomeAggregate | None:
        """The aggregate, or None for an empty stream; raises TypeError for a stream of another kind."""

    def require(self, kind: type[SomeAggregate], id: UUID) -> SomeAggregate:
        """The aggregate; raises the refusal NotFound for an empty stream or one of another kind."""


class EventStore(Protocol):
    """The ledger's truth: streams of events, appended whole or not at all."""

    async def load(self, *ids: UUID, context: CommandContext | None = None) -> Streams:
        """Load several streams in one query, and the outcome of the context's command.

        Raises IdempotencyKeyReused if the key was used for a request with another fingerprint.
        """

    async def append(
        self,
        *aggregates: LedgerAggregate,
        context: CommandContext,
        unchanged: Sequence[LedgerAggregate | UUID] = (),
        vault: Sequence[SealedRecord] = (),
        result: LedgerAggregate | None = None,
    ) -> Outcome:
        """Store the aggregates' pending events, vault records and the idempotency row: all or nothing.

        Checks the versions of `aggregates` and of `unchanged`, where an id stands for a stream that must still be
        empty. `result` is what the command was about (default: the first). Raises VersionConflict, AppendTooLarge,
        StoreUnavailable.
        """

    async def version_of(self, id: UUID) -> int:
        """How many events the stream has; 0 for an empty one."""

    async def account_of(self, id: UUID) -> UUID | None:
        """The account in whose history the stream begins; None for an empty one."""


class Vault(Protocol):
    """Personal data, versioned and sealed; written by EventStore.append, read here."""

    def seal(self, id: UUID, version: int, account_id: UUID, record: VaultRecord) -> SealedRecord:
        """Salt and digest a record for the next append."""

    async def read(self, references: Iterable[VaultReference]) -> Mapping[VaultReference, VaultRecord]:
        """The records; an erased one is absent. Raises ValueError if a record does not match its digest."""


# --- work ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A to-do entry that this worker holds; `token` fences out older holders, `work` says what is to be done."""

    entry_id: UUID
    subject_id: UUID
    account_id: UUID
    correlation_id: UUID
    causation_id: UUID
    token: int
    tries: int
    work: str


class WorkList(Protocol):
    """The entries of one to-do list that somebody must work on, and who does."""

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]:
        """Take entries that nobody holds and whose pause is over, oldest first."""

    async def keep(self, claim: Claim, lease_seconds: float) -> bool:
        """Hold on to an entry; False if it was lost to another worker."""

    async def release(self, claim: Claim, pause_seconds: float) -> None:
        """Let an entry go and let nobody take it before the pause is over."""

    async def sweep(self) -> None:
        """Forget some of the claims whose entries are done; those that are left are for the next time."""

    async def caught_up(self) -> None:
        """Return when the list has all that was in the log when this was called."""

    async def wait(self, poll_seconds: float) -> None:
        """Return when there may be new entries, or when the poll is due."""


class Clock(Protocol):
    """Business time."""

    async def now(self) -> datetime:
        """The present instant, in UTC."""


# --- counterparties ------------------------------------------------------------------------------------------------


class CounterpartyError(Exception):
    """A counterparty did not do what it was asked."""


class CounterpartyUnavailable(CounterpartyError):
    """It certainly did nothing; ask again later."""


class OutcomeUnknown(CounterpartyError):
    """A time-out or broken answer: it may or may not have done it. Ask by id, never do it anew."""


class CounterpartyRefused(CounterpartyError):
    """It says that this is never allowed (an unknown id, more than was held); the message quotes no personal data."""


@dataclass(frozen=True, slots=True)
class CardDescription:
    """What may be known of a card outside the gateway."""

    kind: PaymentMethodKind
    brand: str
    last_four: str
    expiry_year: int
    expiry_month: int


class PaymentStatus(StrEnum):
    """What the gateway says of an intent; UNRECOGNISED stands for a word that its adapter doesn't know."""

    UNCONFIRMED = "unconfirmed"
    AUTHORISED = "authorised"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    CAPTURED = "captured"
    VOIDED = "voided"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """The gateway's view of one attempt; amounts in minor units of `currency`."""

    id: str
    status: PaymentStatus
    amount: int
    currency: str
    captured_amount: int = 0
    decline_code: str | None = None
    action_url: str | None = None
    hold_expires_at: datetime | None = None


class Payments(Protocol):
    """A payment gateway with manual capture.

    Every call may raise CounterpartyUnavailable or OutcomeUnknown, and CounterpartyRefused for what is never allowed.
    """

    async def card(self, token: str) -> CardDescription:
        """The card behind a token; raises CounterpartyRefused for a token that it never gave."""

    async def create_intent(
        self, idempotency_key: str, order_id: UUID, attempt: int, amount: int, currency: str, token: str
    ) -> PaymentIntent:
        """Make an unconfirmed intent; with the same key the same one. Made twice it harms nobody."""

    async def confirm(self, intent_id: str) -> PaymentIntent:
        """Hold the money. Confirming again what is authorised or declined gives what is."""

    async def retrieve(self, intent_id: str) -> PaymentIntent:
        """What became of it."""

    async def capture(self, intent_id: str, amount: int) -> PaymentIntent:
        """Charge up to the held amount, once; the rest of the hold is given back."""

    async def void(self, intent_id: str) -> PaymentIntent:
        """Give the hold back."""

    async def refund(self, idempotency_key: str, intent_id: str, amount: int) -> str:
        """Give back some of what was captured and return the refund's id; with the same key the same refund."""


@dataclass(frozen=True, slots=True)
class AssignedAdmin:
    """An admin in the Admin Center."""

    external_reference: str
    created: bool


class AdminDirectory(Protocol):
    """The Admin Center. Every call may raise CounterpartyUnavailable or OutcomeUnknown and may be repeated."""

    async def ensure_admin(self, account_id: UUID, contact: Contact) -> AssignedAdmin:
        """Create the admin, or merge into the one with this e-mail address; never replace what is there."""

    async def ensure_seats(self, external_reference: str, products: Sequence[str]) -> tuple[str, ...]:
        """Give the admin a seat of each product where one is missing; returns the products that were given."""


class ProvisioningStatus(StrEnum):
    """What the provisioning system says of a call; UNRECOGNISED stands for a word that its adapter doesn't know."""

    PROVISIONED = "provisioned"
    REJECTED = "rejected"
    PENDING = "pending"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, slots=True)
class ProvisioningResult:
    """Done with its reference and the seats in all, rejected with a reason, or still to come: then ask again.

    `order_id` is the order that the system says it answers for; None if it doesn't say.
    """

    status: ProvisioningStatus
    seats: int | None = None
    external_reference: str | None = None
    rejection: str | None = None
    order_id: UUID | None = None


class SeatProvisioning(Protocol):
    """The system that makes seats usable. May raise CounterpartyUnavailable or OutcomeUnknown and may be repeated."""

    async def answer_to(self, subscription_id: UUID, version: int) -> ProvisioningResult | None:
        """What came of the call with this version; None if it never arrived."""

    async def set_seats(
        self, subscription_id: UUID, product: str, seats: int, version: int, order_id: UUID
    ) -> ProvisioningResult:
        """Make it `seats` in all, unless a version above this one was seen; the same version again gives the same."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A PDF that comes with a mail."""

    name: str
    pdf: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A message; `message_id` is fixed, so that a second copy is known as one."""

    message_id: str
    recipient: str
    subject: str
    text: str
    html: str
    locale: str
    attachment: Attachment | None = None


class MailUndeliverable(Exception):
    """The mail server refused the recipient for good; the message says why, without the address."""


class Mailer(Protocol):
    """Takes mail. May raise MailUndeliverable, CounterpartyUnavailable or OutcomeUnknown."""

    async def send(self, mail: Mail) -> None:
        """Hand the mail over; returning means that the server took it."""


# --- documents -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiptContent:
    """All that a receipt shows; amounts in minor units, `issued_on` in the seller's time zone."""

    receipt_number: str
    order_number: str
    issued_on: date
    locale: str
    currency: str
    legal_name: LegalName
    billing_contact: Contact
    billing_address: Address
    vat_id: str | None
    account_number: str
    purchase_order: str | None
    lines: tuple[QuoteLine, ...]
    totals: Totals
    payment_method: PaymentMethod


@dataclass(frozen=True, slots=True)
class CreditNoteContent:
    """All that a credit note shows; `totals` in minor units, `issued_on` in the seller's time zone."""

    credit_note_number: str
    receipt_number: str
    order_number: str
    issued_on: date
    locale: str
    currency: str
    legal_name: LegalName
    billing_contact: Contact
    billing_address: Address
    vat_id: str | None
    account_number: str
    totals: Totals
    tax_category: TaxCategory
    tax_country: str
    tax_rate_basis_points: int
    reason: str
    payment_method: PaymentMethod


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """All that a mail about an order or a quote may say; amounts in minor units, instants shown in `time_zone`.

    `number` is the order's or the quote's. `lines` are all lines, `provisioned` those whose seats are there, `rejected`
    those that were refused. `amount` is what the mail is about: what could not be charged, was charged, is not charged,
    or the quote's gross.
    """

    kind: NoticeKind
    number: str
    locale: str
    time_zone: str
    currency: str
    legal_name: LegalName
    contact: Contact
    account_number: str
    lines: tuple[QuoteLine, ...]
    provisioned: tuple[QuoteLine, ...]
    rejected: tuple[QuoteLine, ...]
    amount: int
    until: datetime | None = None
    link: str | None = None
    reason: str | None = None
    payment_method: PaymentMethod | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's subject and body in both forms."""

    subject: str
    text: str
    html: str


class NoticeRenderer(Protocol):
    """Writes the mails that are not documents, in the content's locale (de or en)."""

    def render(self, content: NoticeContent) -> Letter:
        """Subject, text and HTML."""


class CreditNoteRenderer(Protocol):
    """Makes the credit note's document; the same content gives the same bytes for ever at these versions."""

    template_version: str
    renderer_version: str

    def render(self, content: CreditNoteContent) -> CreditNoteDocument:
        """Subject, text and HTML in the content's locale (de or en)."""


class ReceiptRenderer(Protocol):
    """Makes the receipt's document; the same content gives the same bytes for ever at these versions."""

    template_version: str
    renderer_version: str

    def render(self, content: ReceiptContent) -> ReceiptDocument:
        """Subject, text and HTML in the content's locale (de or en)."""


class VatIdFormat(Protocol):
    """Checks the form of VAT ids; whether one is registered nobody here can know."""

    def country_of(self, vat_id: str | None) -> str | None:
        """The ISO 3166 country whose format and check digits hold, or None."""
