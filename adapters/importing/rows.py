"""The two row formats: their columns, how each is written, and what is said of a cell that is not.

The columns are the fields in their order; the how-to's tables are these descriptions.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from adapters.written_forms import (
    COUNTRY,
    DAY,
    EMAIL,
    EMAIL_AT_MOST,
    PHONE,
    TEXT_AT_MOST,
    has_control_characters,
    known_countries,
    known_time_zones,
)
from domain.card_numbers import contains_card_number
from domain.money import MINOR_DIGITS
from services.accounts import OpenAccount
from services.importing import Problem, SubscriptionRow
from services.vault_records import Address, Contact, LegalName

_NO_CARDS: Final = "Take it out. Card numbers belong to the payment gateway alone; use its token."
_WRONG: Final = {
    "string_unicode": "is not UTF-8",
    "string_too_long": "is too long",
    "less_than_equal": "is too large",
    "greater_than_equal": "is too small",
}
_SAVE_AS: Final = "Save the file as UTF-8 (Excel: CSV UTF-8), or correct the cell."


def _harmless(text: str) -> str:
    if contains_card_number(text):
        message = "holds a card number"
        raise ValueError(message)
    if has_control_characters(text):
        message = "holds a line break or another control character"
        raise ValueError(message)
    return text


def _known_country(code: str) -> str:
    if code not in known_countries():
        message = "is no country code"
        raise ValueError(message)
    return code


def _known_time_zone(name: str) -> str:
    if name not in known_time_zones():
        message = "is no time zone"
        raise ValueError(message)
    return name


def _known_currency(code: str) -> str:
    if code not in MINOR_DIGITS:
        message = "is no currency of this ledger"
        raise ValueError(message)
    return code


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = "is no day of the calendar"
        raise ValueError(message) from None


def _optional(text: str) -> str | None:
    return text or None


_Harmless: Final = AfterValidator(_harmless)
_Absent: Final = BeforeValidator(_optional)
_Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_AT_MOST), _Harmless]
_Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$"), _Harmless]
_Email = Annotated[str, StringConstraints(max_length=EMAIL_AT_MOST, pattern=EMAIL), _Harmless]
_PostalCode = Annotated[str, StringConstraints(min_length=1, max_length=16), _Harmless]
_Phone = Annotated[str, StringConstraints(pattern=PHONE), _Harmless]
_Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$"), _Harmless]
_Country = Annotated[str, StringConstraints(pattern=COUNTRY), AfterValidator(_known_country)]
_Day = Annotated[str, StringConstraints(pattern=DAY), AfterValidator(_day)]
_Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$"), AfterValidator(int), Field(ge=1, le=1_000_000)]
_Price = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,10}(\.[0-9]{1,6})?$"), AfterValidator(Decimal)]


class CsvRow(BaseModel):
    """A row by its columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """All columns, in the order of the example files."""
        return tuple(cls.model_fields)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Those that a file can't do without."""
        return tuple(name for name, field in cls.model_fields.items() if field.is_required())

    @classmethod
    def read(cls, cells: Mapping[str, str]) -> "Self | tuple[Problem, ...]":
        """The row, or every cell that is wrong; no problem quotes a value."""
        try:
            return cls.model_validate(cells)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False, include_context=False)
            return tuple(cls._problem(str(each["loc"][0]), cells, each) for each in found)

    @classmethod
    def _problem(cls, field: str, cells: Mapping[str, str], error: Any) -> Problem:
        form = f"Write {cls.model_fields[field].description}."
        if not cells[field]:
            return Problem(field, "is empty", form)
        if error["type"] == "string_unicode":
            return Problem(field, "is not UTF-8", _SAVE_AS)
        if error["type"] == "value_error":
            wrong = error["msg"].removeprefix("Value error, ")
            return Problem(field, wrong, _NO_CARDS if "card number" in wrong else form)
        return Problem(field, _WRONG.get(error["type"], "is not written as it must be"), form)


class AccountCsvRow(CsvRow):
    """An account, with its legal name, billing contact and billing address."""

    number: _Number = Field(description="the account's number: letters, digits and . _ / -, at most 40, never changed")
    country: _Country = Field(description="the country of the billing address, ISO 3166, such as DE")
    currency: Annotated[str, AfterValidator(_known_currency)] = Field(description=f"one of {', '.join(MINOR_DIGITS)}")
    language: Literal["de", "en"] = Field(description="the language of receipts and mails: de or en")
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = Field(
        description="a time zone by its IANA name, such as Europe/Berlin"
    )
    territory: _Text = Field(description="the sales territory, at most 200 characters")
    legal_name: _Text = Field(description="the company's registered name, at most 200 characters on one line")
    contact_name: _Text = Field(description="who gets the receipts, at most 200 characters on one line")
    contact_email: _Email = Field(description="one e-mail address, such as name@company.example")
    street: _Text = Field(description="street and house number, at most 200 characters on one line")
    postal_code: _PostalCode = Field(description="the postal code, at most 16 characters")
    city: _Text = Field(description="the city, at most 200 characters")
    region: Annotated[_Text | None, _Absent] = Field(None, description="state or region, or nothing")
    contact_phone: Annotated[_Phone | None, _Absent] = Field(
        None, description="the telephone number with + and country code and no spaces, such as +4930123456, or nothing"
    )
    vat_id: Annotated[_Text | None, _Absent] = Field(
        None, description="the company's VAT id; within the EU prefix, length and check digits must hold; or nothing"
    )
    payment_token: Annotated[_Token | None, _Absent] = Field(
        None, description="the payment gateway's token for the card, never the card's number, or nothing"
    )

    @property
    def command(self) -> OpenAccount:
        """What it asks for."""
        return OpenAccount(
            number=self.number,
            country=self.country,
            currency=self.currency,
            language=self.language,
            time_zone=self.time_zone,
            territory=self.territory,
            vat_id=self.vat_id,
            legal_name=LegalName(name=self.legal_name),
            billing_contact=Contact(name=self.contact_name, email=self.contact_email, phone=self.contact_phone),
            billing_address=Address(
                street=self.street,
                postal_code=self.postal_code,
                city=self.city,
                region=self.region,
                country=self.country,
            ),
            payment_token=self.payment_token,
        )


class SubscriptionCsvRow(CsvRow):
    """A subscription of an account."""

    number: _Number = Field(
        description="the subscription's number: letters, digits and . _ / -, at most 40, never changed"
    )
    account_number: _Number = Field(description="the number of its account, in the accounts file or stored before")
    product: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$"), _Harmless] = Field(
        description="the product's code in small letters, such as goto_meeting"
    )
    seats: _Digits = Field(description="the contracted seats, a whole number from 1 to 1000000")
    unit_price: _Price = Field(
        description="the net price per seat and term, with a point and no thousands separator, such as 228.00"
    )
    term_start: _Day = Field(description="the first day of the term as YYYY-MM-DD")
    term_end: _Day = Field(description="the day of the renewal, the first after the term, as YYYY-MM-DD")

    @property
    def asked(self) -> SubscriptionRow:
        """What it asks for."""
        return SubscriptionRow(**dict(self))
