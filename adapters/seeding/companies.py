"""Invented companies that a ledger begins with, read from `companies.csv`."""

import csv
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from domain.account import RestrictionReason
from domain.identifiers import account_id
from domain.quote import QuoteOrigin
from services.accounts import OpenAccount, StartSubscription
from services.vault_records import Address, Contact, LegalName

TERM_DAYS: Final = 365

_SPELLED: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)


@dataclass(frozen=True, slots=True)
class Company:
    """A company as it stands in the file; `card` None: it has none."""

    opening: OpenAccount
    card: str | None
    restriction: RestrictionReason | None
    open_quote: QuoteOrigin | None
    login: str
    subscriptions: Sequence[StartSubscription]

    @property
    def first_day(self) -> date:
        """When its oldest term began."""
        return min(start.term_start for start in self.subscriptions)


def companies(at: datetime) -> list[Company]:
    """All of them, with terms counted from the day that it is `at` this instant where the company is."""
    source = files("adapters.seeding").joinpath("companies.csv").read_text(encoding="utf-8")
    return [
        _company(row, at.astimezone(ZoneInfo(row["time_zone"])).date()) for row in csv.DictReader(source.splitlines())
    ]


def login_of(name: str) -> str:
    """The name as a login and as the part of an e-mail address before the @.

    >>> login_of("Dr. Katrin Schröder"), login_of("Yann Le Goff"), login_of("Piotr Zieliński")
    ('katrin.schroeder', 'yann.le.goff', 'piotr.zielinski')
    """
    spelled = name.lower().removeprefix("dr. ").translate(_SPELLED)
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return ascii_only.replace(" ", ".").replace("'", "")


def _company(row: dict[str, str], today: date) -> Company:
    login = login_of(row["contact"])
    opening = OpenAccount(
        number=row["number"],
        country=row["country"],
        currency=row["currency"],
        language=row["language"],
        time_zone=row["time_zone"],
        territory=row["territory"],
        vat_id=row["vat_id"] or None,
        legal_name=LegalName(name=row["legal_name"]),
        billing_contact=Contact(name=row["contact"], email=f"{login}@{row['domain']}"),
        billing_address=Address(
            street=row["street"], postal_code=row["postal_code"], city=row["city"], country=row["country"]
        ),
    )
    return Company(
        opening=opening,
        card=row["card"] or None,
        restriction=RestrictionReason(row["restriction"]) if row["restriction"] else None,
        open_quote=QuoteOrigin(row["open_quote"]) if row["open_quote"] else None,
        login=login,
        subscriptions=[
            _subscription(row["number"], number, written.split(":"), today)
            for number, written in enumerate(row["subscriptions"].split(), 1)
        ],
    )


def _subscription(account: str, number: int, written: Sequence[str], today: date) -> StartSubscription:
    product, seats, unit_price, days_since = written
    start = today - timedelta(days=int(days_since))
    return StartSubscription(
        account_id=account_id(account),
        number=f"S-{account.removeprefix('A-')}-{number}",
        product=product,
        seats=int(seats),
        unit_price=int(unit_price),
        term_start=start,
        term_end=start + timedelta(days=TERM_DAYS),
    )
