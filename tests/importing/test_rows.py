"""How the cells of a row must be written, and what is said of those that are not."""

from datetime import date
from decimal import Decimal

import pytest

from adapters.importing.rows import AccountCsvRow, SubscriptionCsvRow

ACCOUNT = {
    "number": "A-1",
    "country": "DE",
    "currency": "EUR",
    "language": "de",
    "time_zone": "Europe/Berlin",
    "territory": "dach",
    "legal_name": "Lindner & Söhne GmbH",
    "contact_name": "Anna Weber",
    "contact_email": "anna@lindner.example",
    "street": "Lindenstraße 7",
    "postal_code": "50674",
    "city": "Köln",
    "region": "",
    "contact_phone": "",
    "vat_id": "",
    "payment_token": "",
}
SUBSCRIPTION = {
    "number": "S-1",
    "account_number": "A-1",
    "product": "goto_meeting",
    "seats": "10",
    "unit_price": "228.00",
    "term_start": "2026-01-01",
    "term_end": "2027-01-01",
}


def test_a_right_account_is_read_and_its_empty_cells_are_nothing() -> None:
    row = AccountCsvRow.read(ACCOUNT)
    assert isinstance(row, AccountCsvRow)
    command = row.command
    assert (command.vat_id, command.payment_token, command.billing_contact.phone) == (None, None, None)
    assert (command.billing_address.country, command.billing_address.region) == ("DE", None)


def test_optional_columns_may_be_left_out() -> None:
    required = {name: ACCOUNT[name] for name in AccountCsvRow.required()}
    assert AccountCsvRow.read(required) == AccountCsvRow.read(ACCOUNT)


def test_a_right_subscription_is_read() -> None:
    row = SubscriptionCsvRow.read(SUBSCRIPTION)
    assert isinstance(row, SubscriptionCsvRow)
    asked = row.asked
    assert (asked.seats, asked.unit_price, asked.term_start) == (10, Decimal("228.00"), date(2026, 1, 1))


@pytest.mark.parametrize("name", AccountCsvRow.required())
def test_a_required_cell_that_is_empty_is_said(name: str) -> None:
    problems = AccountCsvRow.read({**ACCOUNT, name: ""})
    assert isinstance(problems, tuple)
    assert [(each.field, each.wrong) for each in problems] == [(name, "is empty")]


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("number", "A 1", "is not written as it must be"),
        ("number", "=1+1", "is not written as it must be"),
        ("number", "A" * 41, "is not written as it must be"),
        ("number", "4242424242424242", "holds a card number"),
        ("country", "Germany", "is not written as it must be"),
        ("country", "de", "is not written as it must be"),
        ("country", "UK", "is no country code"),
        ("country", "EU", "is no country code"),
        ("currency", "JPY", "is no currency of this ledger"),
        ("language", "fr", "is not written as it must be"),
        ("time_zone", "Europe/Bonn", "is no time zone"),
        ("time_zone", "../../etc/passwd", "is no time zone"),
        ("legal_name", "x" * 201, "is too long"),
        ("legal_name", "two\nlines", "holds a line break or another control character"),
        ("legal_name", "a\0b", "holds a line break or another control character"),
        ("legal_name", "K\udcf6ln", "is not UTF-8"),
        ("legal_name", "pay with 4242 4242 4242 4242", "holds a card number"),
        ("contact_name", "4242-4242-4242-4242", "holds a card number"),
        ("contact_email", "anna@lindner", "is not written as it must be"),
        ("contact_email", "anna@lindner.example, eva@lindner.example", "is not written as it must be"),
        ("street", "card 4242 4242 4242 4242", "holds a card number"),
        ("postal_code", "1" * 17, "is too long"),
        ("city", "5555 5555 5555 4444", "holds a card number"),
        ("region", "378282246310005", "holds a card number"),
        ("territory", "4242424242424242", "holds a card number"),
        ("vat_id", "4242424242424242", "holds a card number"),
        ("contact_phone", "030 123456", "is not written as it must be"),
        ("payment_token", "4242424242424242", "holds a card number"),
        ("payment_token", "4242 4242 4242 4242", "is not written as it must be"),
    ],
)
def test_a_wrong_cell_of_an_account_is_said_without_its_value(field: str, value: str, wrong: str) -> None:
    problems = AccountCsvRow.read({**ACCOUNT, field: value})
    assert isinstance(problems, tuple)
    assert [(each.field, each.wrong) for each in problems] == [(field, wrong)]
    assert value not in problems[0].wrong + problems[0].remedy


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("product", "GoTo Meeting", "is not written as it must be"),
        ("seats", "0", "is too small"),
        ("seats", "1000001", "is too large"),
        ("seats", "-1", "is not written as it must be"),
        ("seats", "1.5", "is not written as it must be"),
        ("seats", "\N{ARABIC-INDIC DIGIT ONE}", "is not written as it must be"),
        ("seats", "9" * 5000, "is not written as it must be"),
        ("unit_price", "228,00", "is not written as it must be"),
        ("unit_price", "1.228,00", "is not written as it must be"),
        ("unit_price", "-1", "is not written as it must be"),
        ("unit_price", "1e3", "is not written as it must be"),
        ("unit_price", "NaN", "is not written as it must be"),
        ("unit_price", "EUR 228", "is not written as it must be"),
        ("unit_price", "12345678901", "is not written as it must be"),
        ("term_start", "01.01.2026", "is not written as it must be"),
        ("term_start", "2026-02-30", "is no day of the calendar"),
        ("term_end", "20270101", "is not written as it must be"),
        ("term_end", "2027-W01-1", "is not written as it must be"),
    ],
)
def test_a_wrong_cell_of_a_subscription_is_said_without_its_value(field: str, value: str, wrong: str) -> None:
    problems = SubscriptionCsvRow.read({**SUBSCRIPTION, field: value})
    assert isinstance(problems, tuple)
    assert [(each.field, each.wrong) for each in problems] == [(field, wrong)]


def test_every_wrong_cell_of_a_row_is_said_at_once() -> None:
    problems = AccountCsvRow.read({**ACCOUNT, "country": "XX", "language": "", "contact_phone": "1"})
    assert isinstance(problems, tuple)
    assert [each.field for each in problems] == ["country", "language", "contact_phone"]


def test_a_formula_is_text() -> None:
    row = AccountCsvRow.read({**ACCOUNT, "legal_name": "=cmd|' /C calc'!A0"})
    assert isinstance(row, AccountCsvRow)
    assert row.command.legal_name.name == "=cmd|' /C calc'!A0"
