"""Decides on rows from another system: add what is missing, leave what is there, say where a row differs from it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.account import BillingAccount
from domain.envelope import Actor, Role
from domain.identifiers import account_id, command_id, subscription_id
from domain.money import MINOR_DIGITS
from domain.personal_data import VaultReference
from domain.refusals import Refusal
from domain.subscription import Subscription
from domain.tax import tax_treatment
from services.accounts import Accounts, OpenAccount, StartSubscription
from services.ports import (
    CommandContext,
    CounterpartyError,
    CounterpartyRefused,
    EventStore,
    Outcome,
    Payments,
    VatIdFormat,
    Vault,
)
from services.vault_records import VaultRecord

_IMPORTER: Final = Actor("import", Role.OPERATOR)

# ISO 4217: whose legal tender it is. Contracts in EUR are usual everywhere; USD where no currency of ours is at home.
_AT_HOME: Final = {
    country: currency
    for currency, countries in {
        "EUR": "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK AD MC ME SM VA XK",
        "CHF": "CH LI",
        "CZK": "CZ",
        "DKK": "DK FO GL",
        "GBP": "GB",
        "HUF": "HU",
        "PLN": "PL",
        "SEK": "SE",
        "USD": "US",
    }.items()
    for country in countries.split()
}


class Fate(StrEnum):
    """What became of a row, or would become of it."""

    ADDED = "added"
    UNCHANGED = "unchanged"
    DIFFERENT = "different"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row's field and what to do about it. Neither text quotes a value."""

    field: str
    wrong: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a row, with its problems if it is different or refused."""

    fate: Fate
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as the other system knows it; `unit_price` in whole units, per seat and term."""

    account_number: str
    number: str
    product: str
    seats: int
    unit_price: Decimal
    term_start: date
    term_end: date


@dataclass(frozen=True, slots=True)
class AccountInFile:
    """An account's row in the same import: its line, and its currency if it was not refused."""

    line: int
    currency: str | None


_ADDED: Final = Verdict(Fate.ADDED)
_UNCHANGED: Final = Verdict(Fate.UNCHANGED)
_LEAVE_IT: Final = "An import changes nothing that is there. If the file is right, change it in the portal."
_AGAIN: Final = "Import the same file again; what is in stays as it is."


class Importing:
    """Takes rows in portions, asks the store about a portion at once, and runs its commands at the same time.

    The same row again finds what is there. `dry_run` decides the same and stores nothing.
    """

    def __init__(
        self, accounts: Accounts, events: EventStore, vault: Vault, payments: Payments, vat_ids: VatIdFormat
    ) -> None:
        """Work on these."""
        self._accounts, self._events, self._vault = accounts, events, vault
        self._payments, self._vat_ids = payments, vat_ids

    async def accounts(self, rows: Sequence[OpenAccount], at: datetime, *, dry_run: bool) -> list[Verdict]:
        """A verdict for each row, in order; the numbers of the rows differ. May raise StoreUnavailable."""
        streams = await self._events.load(*(account_id(row.number) for row in rows))
        there = [streams.find(BillingAccount, account_id(row.number)) for row in rows]
        records = await self._vault.read(reference for account in there if account for reference in _kept(account))

        async def verdict(row: OpenAccount, account: BillingAccount | None) -> Verdict:
            problems = self._account_problems(row, at)
            if problems:
                return Verdict(Fate.REFUSED, problems)
            if account:
                return _compared(_account_differences(row, account, records))
            if dry_run:
                return await _tried(self._card_is_known(row.payment_token))
            context = _context(account_id(row.number), f"account:{row.number}", row, at)
            return await _tried(self._accounts.open(row, context, streams))

        return await _all(verdict(row, account) for row, account in zip(rows, there, strict=True))

    async def subscriptions(
        self, rows: Sequence[SubscriptionRow], in_file: Mapping[str, AccountInFile], at: datetime, *, dry_run: bool
    ) -> list[Verdict]:
        """A verdict for each row, in order; the numbers of the rows differ. May raise StoreUnavailable.

        `in_file` has the accounts of the rows that stand in the same import.
        """
        ids = {subscription_id(row.number) for row in rows} | {account_id(row.account_number) for row in rows}
        streams = await self._events.load(*ids)

        async def verdict(row: SubscriptionRow) -> Verdict:
            account = streams.find(BillingAccount, account_id(row.account_number))
            companion = in_file.get(row.account_number)
            currency = account.currency if account else companion.currency if companion else None
            if currency is None:
                return Verdict(Fate.REFUSED, (_no_account(companion),))
            command = _command(row, currency)
            if isinstance(command, Problem):
                return Verdict(Fate.REFUSED, (command,))
            there = streams.find(Subscription, subscription_id(row.number))
            if there:
                return _compared(_subscription_differences(command, there))
            if dry_run:
                return _ADDED
            context = _context(command.account_id, f"subscription:{row.number}", command, at)
            return await _tried(self._accounts.start_subscription(command, context, streams))

        return await _all(verdict(row) for row in rows)

    def _account_problems(self, row: OpenAccount, at: datetime) -> tuple[Problem, ...]:
        problems = []
        home = _AT_HOME.get(row.country)
        fitting = sorted({"EUR", home or "USD"})
        if row.currency not in fitting:
            problems.append(
                Problem("currency", "does not fit the country", f"For this country write {' or '.join(fitting)}.")
            )
        taxed_here = tax_treatment(row.country, row.country, None, at.date()) is not None
        if taxed_here and row.vat_id and self._vat_ids.country_of(row.vat_id) != row.country:
            problems.append(
                Problem(
                    "vat_id",
                    "is no VAT id of the account's country: prefix, length or check digits don't hold",
                    "Ask the company for its VAT id, or leave the cell empty.",
                )
            )
        return tuple(problems)

    async def _card_is_known(self, token: str | None) -> None:
        if token:
            await self._payments.card(token)


async def _all(verdicts: Iterable[Awaitable[Verdict]]) -> list[Verdict]:
    return list(await asyncio.gather(*verdicts))


async def _tried(command: Awaitable[Outcome | None]) -> Verdict:
    try:
        await command
    except CounterpartyRefused:
        return _refused("payment_token", "is not known to the payment gateway", "Ask the gateway for the card's token.")
    except CounterpartyError:
        return _refused("payment_token", "could not be checked: the payment gateway gave no answer", _AGAIN)
    except Refusal as refusal:
        return _refused("number", f"was refused ({refusal.code}): somebody else is adding the same", _AGAIN)
    return _ADDED


def _refused(field: str, wrong: str, remedy: str) -> Verdict:
    return Verdict(Fate.REFUSED, (Problem(field, wrong, remedy),))


def _compared(differences: Iterable[str]) -> Verdict:
    problems = tuple(Problem(field, "differs from what is stored", _LEAVE_IT) for field in differences)
    return Verdict(Fate.DIFFERENT, problems) if problems else _UNCHANGED


def _no_account(companion: AccountInFile | None) -> Problem:
    if companion:
        return Problem(
            "account_number",
            f"is an account whose own row was refused, line {companion.line} of the accounts",
            "Put that row right, then import both files again.",
        )
    return Problem(
        "account_number",
        "is an account that is neither stored nor in the accounts file",
        "Correct the number, or add the account to the accounts file.",
    )


def _command(row: SubscriptionRow, currency: str) -> StartSubscription | Problem:
    """The command with its price in minor units, if the row fits its account's currency and itself."""
    digits = MINOR_DIGITS[currency]
    minor = row.unit_price.scaleb(digits)
    if minor != minor.to_integral_value():
        wrong = "has more digits after the point than its account's currency has"
        return Problem("unit_price", wrong, f"Write it with at most {digits} digits after the point.")
    if row.term_end <= row.term_start:
        return Problem("term_end", "is not after term_start", "Write the day of the renewal, the first after the term.")
    return StartSubscription(
        account_id=account_id(row.account_number),
        number=row.number,
        product=row.product,
        seats=row.seats,
        unit_price=int(minor),
        term_start=row.term_start,
        term_end=row.term_end,
    )


def _kept(account: BillingAccount) -> list[VaultReference]:
    records = [account.legal_name, account.billing_contact, account.billing_address]
    return [*records, account.payment_method.token] if account.payment_method else records


def _account_differences(
    row: OpenAccount, account: BillingAccount, records: Mapping[VaultReference, VaultRecord]
) -> list[str]:
    """The fields that differ. An erased record differs; a row without a card says nothing about the account's card."""
    name, contact, address, *card = (records.get(reference) for reference in _kept(account))
    pairs: list[tuple[str, object, object]] = [
        ("country", row.country, account.country),
        ("currency", row.currency, account.currency),
        ("language", row.language, account.language),
        ("time_zone", row.time_zone, account.time_zone),
        ("territory", row.territory, account.territory),
        ("vat_id", row.vat_id, account.vat_id),
        ("legal_name", row.legal_name.name, _of(name, "name")),
        ("contact_name", row.billing_contact.name, _of(contact, "name")),
        ("contact_email", row.billing_contact.email, _of(contact, "email")),
        ("contact_phone", row.billing_contact.phone, _of(contact, "phone")),
        ("street", row.billing_address.street, _of(address, "street")),
        ("postal_code", row.billing_address.postal_code, _of(address, "postal_code")),
        ("city", row.billing_address.city, _of(address, "city")),
        ("region", row.billing_address.region, _of(address, "region")),
    ]
    if row.payment_token:
        pairs.append(("payment_token", row.payment_token, _of(card[0], "token") if card else None))
    return [field for field, given, stored in pairs if given != stored]


def _of(record: VaultRecord | None, field: str) -> object:
    return getattr(record, field, None)


def _subscription_differences(command: StartSubscription, there: Subscription) -> list[str]:
    pairs: list[tuple[str, object, object]] = [
        ("account_number", command.account_id, there.account_id),
        ("product", command.product, there.product),
        ("seats", command.seats, there.seats),
        ("unit_price", command.unit_price, there.unit_price),
        ("term_start", command.term_start, there.term.start),
        ("term_end", command.term_end, there.term.end),
    ]
    return [field for field, given, stored in pairs if given != stored]


def _context(account: UUID, subject: str, command: Any, at: datetime) -> CommandContext:
    """The same for the same row of whichever file; another content under the same number is another request."""
    key = f"import:{subject}"
    id = command_id(account, _IMPORTER.id, key)
    return CommandContext(
        command_id=id,
        actor=_IMPORTER,
        now=at,
        correlation_id=id,
        causation_id=id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(repr(command).encode()).digest(),
    )
