"""The billing account: who may help himself, how it pays, and which one quote is open."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from eventsourcing.domain import event

from domain.calendar import business_day
from domain.ledger import LedgerAggregate
from domain.personal_data import PaymentMethod, VaultReference
from domain.refusals import NoAutomaticPaymentMethod, NotEligibleForSelfService, OpenQuoteChanged


class RestrictionReason(StrEnum):
    """Why an account is sent to Corporate Account Services."""

    PRODUCT_NEEDS_ASSISTANCE = "product_needs_assistance"
    INVOICE_BILLING = "invoice_billing"
    PAYMENT_DISPUTE = "payment_dispute"
    CONTRACT_UNDER_NEGOTIATION = "contract_under_negotiation"


class BillingAccount(LedgerAggregate):
    """A company's account with its settings, its card and its open quote."""

    TOPIC = "BillingAccount"

    class Event(LedgerAggregate.Event):
        """A fact about the account."""

    class AccountOpened(Event, LedgerAggregate.Created):
        """The account exists. `country` is ISO 3166, `currency` ISO 4217, `time_zone` IANA, `language` de or en."""

        TOPIC = "AccountOpened.v1"
        number: str
        country: str
        currency: str
        language: str
        time_zone: str
        territory: str
        vat_id: str | None
        legal_name: VaultReference
        billing_contact: VaultReference
        billing_address: VaultReference

    Created = AccountOpened

    class BillingContactChanged(Event):
        """Receipts go to another person."""

        TOPIC = "BillingContactChanged.v1"
        billing_contact: VaultReference

    class BillingAddressChanged(Event):
        """The address, and maybe the country that decides the tax, is another."""

        TOPIC = "BillingAddressChanged.v1"
        billing_address: VaultReference
        country: str

    class AccountLocaleChanged(Event):
        """Receipts are in another language (de or en), or days are counted in another IANA time zone.

        What is quoted or ordered already keeps the zone that it was made with.
        """

        TOPIC = "AccountLocaleChanged.v1"
        language: str
        time_zone: str

    class PaymentMethodSelected(Event):
        """The card that pays automatically."""

        TOPIC = "PaymentMethodSelected.v1"
        payment_method: PaymentMethod

    class SelfServiceRestricted(Event):
        """The account can't help itself; Corporate Account Services does."""

        TOPIC = "SelfServiceRestricted.v1"
        reason: RestrictionReason

    class SelfServiceAllowed(Event):
        """The restriction is lifted."""

        TOPIC = "SelfServiceAllowed.v1"

    class OpenQuoteChanged(Event):
        """Which quote is open now; None: none is."""

        TOPIC = "OpenQuoteChanged.v1"
        open_quote_id: UUID | None
        previous_quote_id: UUID | None

    @event(AccountOpened)
    def __init__(
        self,
        id: UUID,
        number: str,
        country: str,
        currency: str,
        language: str,
        time_zone: str,
        territory: str,
        vat_id: str | None,
        legal_name: VaultReference,
        billing_contact: VaultReference,
        billing_address: VaultReference,
        timestamp: datetime,
    ) -> None:
        """Open the account."""
        self.account_id = id
        self.number, self.country, self.currency = number, country, currency
        self.language, self.time_zone, self.territory, self.vat_id = language, time_zone, territory, vat_id
        self.legal_name, self.billing_contact, self.billing_address = legal_name, billing_contact, billing_address
        self.payment_method: PaymentMethod | None = None
        self.restriction: RestrictionReason | None = None
        self.open_quote_id: UUID | None = None

    def must_be_eligible(self) -> None:
        """Raise NotEligibleForSelfService while the account is restricted."""
        if self.restriction:
            raise NotEligibleForSelfService(account_id=self.id, reason=self.restriction)

    def must_have_valid_card(self, at: datetime) -> PaymentMethod:
        """The card that pays; raises NoAutomaticPaymentMethod if none is there or its last month is over."""
        if not self.payment_method:
            raise NoAutomaticPaymentMethod(account_id=self.id, reason="none")
        day = business_day(at, self.time_zone)
        if self.payment_method.expired(day.year, day.month):
            raise NoAutomaticPaymentMethod(account_id=self.id, reason="expired")
        return self.payment_method

    def must_have_open(self, quote_id: UUID | None) -> None:
        """Raise OpenQuoteChanged unless this (None: no) quote is the open one."""
        if self.open_quote_id != quote_id:
            raise OpenQuoteChanged(account_id=self.id, open_quote_id=self.open_quote_id, replaces=quote_id)

    def change_billing_contact(self, billing_contact: VaultReference, at: datetime) -> None:
        """Send receipts to another person from now on."""
        self._change_billing_contact(billing_contact=billing_contact, timestamp=at)

    def change_billing_address(self, billing_address: VaultReference, country: str, at: datetime) -> None:
        """Bill to another address from now on."""
        self._change_billing_address(billing_address=billing_address, country=country, timestamp=at)

    def change_locale(self, language: str, time_zone: str, at: datetime) -> None:
        """Read and be written to in this language, and count days in this zone; the same twice is one fact."""
        if (language, time_zone) != (self.language, self.time_zone):
            self._change_locale(language=language, time_zone=time_zone, timestamp=at)

    def select_payment_method(self, payment_method: PaymentMethod, at: datetime) -> None:
        """Pay with this card from now on."""
        self._select_payment_method(payment_method=payment_method, timestamp=at)

    def restrict_self_service(self, reason: RestrictionReason, at: datetime) -> None:
        """Send the account to Corporate Account Services; the same reason twice is one fact."""
        if self.restriction != reason:
            self._restrict_self_service(reason=reason, timestamp=at)

    def allow_self_service(self, at: datetime) -> None:
        """Lift the restriction, if there is one."""
        if self.restriction:
            self._allow_self_service(timestamp=at)

    def open_quote(self, quote_id: UUID, at: datetime) -> None:
        """Make this the open quote, in place of any other."""
        self._change_open_quote(open_quote_id=quote_id, previous_quote_id=self.open_quote_id, timestamp=at)

    def close_quote(self, quote_id: UUID, at: datetime) -> None:
        """Have no open quote any more; raises OpenQuoteChanged if another is open."""
        self.must_have_open(quote_id)
        self._change_open_quote(open_quote_id=None, previous_quote_id=quote_id, timestamp=at)

    @event(BillingContactChanged)
    def _change_billing_contact(self, billing_contact: VaultReference, timestamp: datetime) -> None:
        self.billing_contact = billing_contact

    @event(BillingAddressChanged)
    def _change_billing_address(self, billing_address: VaultReference, country: str, timestamp: datetime) -> None:
        self.billing_address, self.country = billing_address, country

    @event(AccountLocaleChanged)
    def _change_locale(self, language: str, time_zone: str, timestamp: datetime) -> None:
        self.language, self.time_zone = language, time_zone

    @event(PaymentMethodSelected)
    def _select_payment_method(self, payment_method: PaymentMethod, timestamp: datetime) -> None:
        self.payment_method = payment_method

    @event(SelfServiceRestricted)
    def _restrict_self_service(self, reason: RestrictionReason, timestamp: datetime) -> None:
        self.restriction = reason

    @event(SelfServiceAllowed)
    def _allow_self_service(self, timestamp: datetime) -> None:
        self.restriction = None

    @event(OpenQuoteChanged)
    def _change_open_quote(
        self,
        open_quote_id: UUID | None,
        previous_quote_id: UUID | None,
        timestamp: datetime,
    ) -> None:
        self.open_quote_id = open_quote_id
