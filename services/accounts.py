"""Commands on accounts and their subscriptions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.account import BillingAccount, RestrictionReason
from domain.identifiers import account_id, subscription_id, vault_id
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import Term
from domain.refusals import TermInvalid
from domain.subscription import Subscription
from services.deciding import decided
from services.ports import CardDescription, CommandContext, EventStore, Outcome, Payments, SealedRecord, Streams, Vault
from services.vault_records import Address, Contact, GatewayToken, LegalName, VaultRecord


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A company becomes a customer; `payment_token` is the gateway's for the card that it pays with from the start."""

    number: str
    country: str
    currency: str
    language: str
    time_zone: str
    territory: str
    vat_id: str | None
    legal_name: LegalName
    billing_contact: Contact
    billing_address: Address
    payment_token: str | None = None


@dataclass(frozen=True, slots=True)
class StartSubscription:
    """A first contract for a product; price in minor units per seat and term."""

    account_id: UUID
    number: str
    product: str
    seats: int
    unit_price: int
    term_start: date
    term_end: date


class Accounts:
    """Opens accounts and keeps their settings."""

    def __init__(self, events: EventStore, vault: Vault, payments: Payments) -> None:
        """Work on these."""
        self._events, self._vault, self._payments = events, vault, payments

    async def open(self, command: OpenAccount, context: CommandContext, loaded: Streams | None = None) -> Outcome:
        """Open the account, with its card in the same append; the same number again gives the account that is there.

        `loaded` has the account's stream, if the caller looked already; the append checks that it still holds.
        """
        id = account_id(command.number)

        async def attempt() -> Outcome:
            nonlocal loaded
            streams, loaded = loaded or await self._events.load(id, context=context), None
            if streams.done:
                return streams.done
            there = streams.find(BillingAccount, id)
            if there:
                return await self._events.append(there, context=context)
            card = await self._payments.card(command.payment_token) if command.payment_token else None
            name, contact, address = (
                self._sealed(id, None, record)
                for record in (command.legal_name, command.billing_contact, command.billing_address)
            )
            account = BillingAccount(
                id=id,
                number=command.number,
                country=command.country,
                currency=command.currency,
                language=command.language,
                time_zone=command.time_zone,
                territory=command.territory,
                vat_id=command.vat_id,
                legal_name=name.reference,
                billing_contact=contact.reference,
                billing_address=address.reference,
                timestamp=context.now,
            )
            records = [name, contact, address]
            if card and command.payment_token:
                token = self._sealed(id, None, GatewayToken(token=command.payment_token))
                account.select_payment_method(payment_method(token.reference, card), context.now)
                records.append(token)
            return await self._events.append(account, context=context, vault=records)

        return await decided(attempt)

    async def start_subscription(
        self, command: StartSubscription, context: CommandContext, loaded: Streams | None = None
    ) -> Outcome:
        """Start the subscription; the same number again gives the one that is there. Raises TermInvalid.

        `loaded` has the streams of both, if the caller looked already; the append checks that they still hold.
        """
        id = subscription_id(command.number)

        async def attempt() -> Outcome:
            nonlocal loaded
            streams, loaded = loaded or await self._events.load(id, command.account_id, context=context), None
            if streams.done:
                return streams.done
            there = streams.find(Subscription, id)
            if there:
                return await self._events.append(there, context=context)
            account = streams.require(BillingAccount, command.account_id)
            if command.term_end <= command.term_start:
                raise TermInvalid(subscription_id=id, begins_on=command.term_start)
            subscription = Subscription(
                id=id,
                account_id=account.id,
                number=command.number,
                product=command.product,
                seats=command.seats,
                unit_price=command.unit_price,
                currency=account.currency,
                term=Term(command.term_start, command.term_end),
                timestamp=context.now,
            )
            return await self._events.append(subscription, context=context, unchanged=(account,))

        return await decided(attempt)

    async def select_payment_method(
        self, account_id: UUID, token: str, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Let the account pay with the card behind this gateway token."""
        card = await self._payments.card(token)

        def change(account: BillingAccount) -> SealedRecord:
            before = account.payment_method.token if account.payment_method else None
            sealed = self._sealed(account.id, before, GatewayToken(token=token))
            account.select_payment_method(payment_method(sealed.reference, card), context.now)
            return sealed

        return await self._change(account_id, version, context, change)

    async def restrict_self_service(
        self, account_id: UUID, reason: RestrictionReason, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Send the account to Corporate Account Services."""
        return await self._change(
            account_id, version, context, lambda account: account.restrict_self_service(reason, context.now)
        )

    async def allow_self_service(
        self, account_id: UUID, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Let the account help itself again."""
        return await self._change(account_id, version, context, lambda account: account.allow_self_service(context.now))

    async def change_billing_contact(
        self, account_id: UUID, contact: Contact, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Send receipts and notices to another person from now on."""

        def change(account: BillingAccount) -> SealedRecord:
            sealed = self._sealed(account.id, account.billing_contact, contact)
            account.change_billing_contact(sealed.reference, context.now)
            return sealed

        return await self._change(account_id, version, context, change)

    async def change_billing_address(
        self, account_id: UUID, address: Address, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Bill to another address from now on; another country means another tax on the next quote."""

        def change(account: BillingAccount) -> SealedRecord:
            sealed = self._sealed(account.id, account.billing_address, address)
            account.change_billing_address(sealed.reference, address.country, context.now)
            return sealed

        return await self._change(account_id, version, context, change)

    async def change_locale(
        self, account_id: UUID, language: str, time_zone: str, context: CommandContext, version: int | None = None
    ) -> Outcome:
        """Write to the account in this language and count its days in this zone, from the next quote on."""
        return await self._change(
            account_id, version, context, lambda account: account.change_locale(language, time_zone, context.now)
        )

    def _sealed(self, account_id: UUID, before: VaultReference | None, record: VaultRecord) -> SealedRecord:
        version = before.version + 1 if before else 1
        return self._vault.seal(vault_id(account_id, record.KIND), version, account_id, record)

    async def _change(
        self,
        account_id: UUID,
        version: int | None,
        context: CommandContext,
        change: Callable[[BillingAccount], SealedRecord | None],
    ) -> Outcome:
        """`version` is the account's that the change was decided on; None: whichever it is."""

        async def attempt() -> Outcome:
            streams = await self._events.load(account_id, context=context)
            if streams.done:
                return streams.done
            account = streams.require(BillingAccount, account_id)
            if version is not None:
                account.must_be_at(version)
            sealed = change(account)
            return await self._events.append(account, context=context, vault=(sealed,) if sealed else ())

        return await decided(attempt)


def payment_method(token: VaultReference, card: CardDescription) -> PaymentMethod:
    """The card as an event may know it."""
    return PaymentMethod(token, card.kind, card.brand, card.last_four, card.expiry_year, card.expiry_month)
