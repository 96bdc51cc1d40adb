"""Which language somebody reads, and how facts stand in its sentences."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from pydantic import ValidationError

from adapters.http.api.bodies import BillingAddressBody, ContactBody
from adapters.http.portal.forms import FormOutdated
from adapters.http.portal.refusals import Complaint, complaint_about, taken
from adapters.http.portal.words import LANGUAGE, TIME_ZONE, Reader, language, preferred, reader_of
from domain.refusals import (
    NotEligibleForSelfService,
    QuantityInvalid,
    QuoteExpired,
    SalesRepQuoteUnacknowledged,
    SubscriptionEnding,
)

GERMAN = Reader(language("de"), "Europe/Berlin")
ENGLISH = Reader(language("en"), "America/Chicago")
ID = UUID(int=1)
EVENING = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)


def request(**headers: str) -> Request:
    return Request({"type": "http", "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()]})


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr, en;q=0.4, de;q=0.6", "de"),
        ("en;q=high, de;q=0.1", "de"),
        ("de;q=0, en", "en"),
        ("de;q=0", "en"),
        ("*", "en"),
        (",;,", "en"),
    ],
)
def test_the_browsers_wish_decides_where_nobody_else_has(accepted: str, code: str) -> None:
    assert preferred(accepted) == code
    assert reader_of(request(**{"Accept-Language": accepted})).language.code == code


def test_a_readers_own_choice_comes_first_and_a_cookie_that_means_nothing_is_none() -> None:
    chosen = reader_of(request(Cookie=f"{LANGUAGE}=en; {TIME_ZONE}=Asia/Tokyo", **{"Accept-Language": "de"}))
    assert (chosen.language.code, chosen.time_zone) == ("en", "Asia/Tokyo")
    spoilt = reader_of(request(Cookie=f"{LANGUAGE}=../xx; {TIME_ZONE}=/etc/passwd", **{"Accept-Language": "de"}))
    assert (spoilt.language.code, spoilt.time_zone) == ("de", "UTC")


def test_facts_stand_in_a_sentence_in_the_readers_form() -> None:
    assert GERMAN.fact(12_345) == "12.345"
    assert ENGLISH.fact(date(2026, 3, 5)) == "March 5, 2026"
    assert GERMAN.fact(EVENING) == "6. März 2026, 00:30 Uhr (MEZ)"
    assert ENGLISH.fact(EVENING).startswith("March 5, 2026, 5:30")
    assert GERMAN.fact("O-1") == "O-1"
    assert GERMAN.fact(value=True) == "True"
    assert (GERMAN.duration(timedelta(hours=23, minutes=59)), ENGLISH.duration(timedelta(minutes=5))) == (
        "24 Stunden",
        "5 minutes",
    )


@pytest.mark.parametrize(
    ("refusal", "words", "rest"),
    [
        (QuantityInvalid(seats_to_add=0, at_most=10_000), "eine ganze Zahl von 1 bis 10.000", (None, False)),
        (QuoteExpired(quote_id=ID, valid_until=EVENING), "bis 6. März 2026, 00:30 Uhr (MEZ) gültig", (None, False)),
        (SalesRepQuoteUnacknowledged(open_quote_id=ID), "Vertriebsmitarbeiter", ("acknowledge", False)),
        (
            SubscriptionEnding(subscription_id=ID, state="Ended", ends_on=date(2026, 3, 5)),
            "endet am 5. März 2026",
            (None, True),
        ),
        (NotEligibleForSelfService(account_id=ID, reason="invoice_billing"), "per Rechnung abgerechnet", (None, True)),
        (NotEligibleForSelfService(account_id=ID, reason="no tax rule for XX"), "bitte fragen Sie", (None, True)),
        (FormOutdated(), "neu angemeldet", (None, False)),
    ],
)
def test_a_refusal_is_said_with_its_facts(refusal: Exception, words: str, rest: tuple[str | None, bool]) -> None:
    complaint = complaint_about(refusal, GERMAN)
    assert words in complaint.text
    assert (complaint.field, complaint.help) == rest


def test_what_a_body_does_not_take_is_said_once_a_field_in_its_order() -> None:
    def build() -> Any:
        return ContactBody.model_validate({"name": "", "email": "x", "phone": "1", "surprise": 1})

    with pytest.raises(ValidationError):
        build()
    complaints = taken(build, ENGLISH, "admin-")
    assert [each.field for each in complaints] == ["admin-name", "admin-email", "admin-phone", "admin-surprise"]
    assert complaints[-1].text == "Please check this entry."
    assert all(isinstance(each, Complaint) for each in complaints)


def test_a_card_number_is_said_at_its_field() -> None:
    address = {"street": "4111 1111 1111 1111", "postal_code": "1", "city": "Köln", "country": "DE"}
    [complaint] = taken(lambda: BillingAddressBody.model_validate(address), ENGLISH, "billing-")
    assert complaint.field == "billing-street"
    assert "card number" in complaint.text
