"""Commands on accounts and their subscriptions."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.account import BillingAccount, RestrictionReason
from domain.identifiers import account_id, subscription_id, vault_id
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import Term
from domain.subscription import Subscription
from services.deciding import decided
from services.ports import CardDescription, CommandContext, EventStore, Outcome, Payments, Vault
from services.vault_records import Address, Contact, GatewayToken, LegalName


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A company becomes a customer."""

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

    async def open(self, command: OpenAccount, context: CommandContext) -> Outcome:
        """Open the account; the same number again gives the account that is there."""
        id = account_id(command.number)

        async def attempt() -> Outcome:
            streams = await self._events.load(id, context=context)
            if streams.done:
                return streams.done
            there = streams.find(BillingAccount, id)
            if there:
                return await self._events.append(there, context=context)
            name, contact, address = (
                self._vault.seal(vault_id(id, record.KIND), 1, id, record)
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
            return await self._events.append(account, context=context, vault=(name, contact, address))

        return await decided(attempt)

    async def start_subscription(self, command: StartSubscription, context: CommandContext) -> Outcome:
        """Start the subscription; the same number again gives the one that is there."""
        id = subscription_id(command.number)

        async def attempt() -> Outcome:
            streams = await self._events.load(id, command.account_id, context=context)
            if streams.done:
                return streams.done
            there = streams.find(Subscription, id)
            if there:
                return await self._events.append(there, context=context)
            account = streams.require(BillingAccount, command.account_id)
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

    async def select_payment_method(self, account_id: UUID, token: str, context: CommandContext) -> Outcome:
        """Let the account pay with the card behind this gateway token."""
        card = await self._payments.card(token)

        async def attempt() -> Outcome:
            streams = await self._events.load(account_id, context=context)
            if streams.done:
                return streams.done
            account = streams.require(BillingAccount, account_id)
            before = account.payment_method.token.version if account.payment_method else 0
            sealed = self._vault.seal(
                vault_id(account_id, GatewayToken.KIND), before + 1, account_id, GatewayToken(token=token)
            )
            account.select_payment_method(payment_method(sealed.reference, card), context.now)
            return await self._events.append(account, context=context, vault=(sealed,))

        return await decided(attempt)

    async def restrict_self_service(
        self, account_id: UUID, reason: RestrictionReason, context: CommandContext
    ) -> Outcome:
        """Send the account to Corporate Account Services."""

        async def attempt() -> Outcome:
            streams = await self._events.load(account_id, context=context)
            if streams.done:
                return streams.done
            account = streams.require(BillingAccount, account_id)
            account.restrict_self_service(reason, context.now)
            return await self._events.append(account, context=context)

        return await decided(attempt)


def payment_method(token: VaultReference, card: CardDescription) -> PaymentMethod:
    """The card as an event may know it."""
    return PaymentMethod(token, card.kind, card.brand, card.last_four, card.expiry_year, card.expiry_month)
