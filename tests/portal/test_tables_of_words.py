"""What pages say of events, people, states and matters: no one of them is without words, and none is said twice."""

from pathlib import Path

import pytest

from adapters.event_mapping import decoded
from adapters.http.api.bodies import CancellationReason, RefundReason
from adapters.http.portal.care import MATTERS
from adapters.http.portal.happenings import BESIDE, HAPPENINGS, PEOPLE, happened, who
from adapters.http.portal.order_acts import CANCELLATIONS, REFUNDS
from adapters.http.portal.order_events import plain
from adapters.http.portal.orders import GROUPS
from adapters.http.portal.settings import countries, time_zones
from domain.care import Care
from domain.envelope import Role
from domain.history import EVENT_CLASSES
from domain.order import OrderState


def test_every_event_has_a_sentence_of_its_own() -> None:
    assert set(HAPPENINGS) == set(EVENT_CLASSES)
    assert len(set(HAPPENINGS.values())) == len(HAPPENINGS)
    assert set(HAPPENINGS) >= BESIDE
    assert happened("QuoteIssued.v1") == "A quote was made."


def test_every_role_is_told_as_a_person_and_the_reader_as_you() -> None:
    assert set(PEOPLE) == set(Role)
    assert who("p-anna", "billing_admin", me="p-anna") == "You"
    assert who("p-anna", "billing_admin", me="p-ben") == "A billing admin"


def test_every_state_of_an_order_is_in_one_group() -> None:
    grouped = [state for group in GROUPS.values() for state in group.states or ()]
    assert sorted(grouped) == sorted(OrderState)


def test_every_matter_of_the_care_list_has_words() -> None:
    assert set(MATTERS) == set(Care)


def test_every_reason_has_words() -> None:
    assert set(CANCELLATIONS) == set(CancellationReason)
    assert set(REFUNDS) == set(RefundReason)


@pytest.mark.parametrize(("code", "name"), [("de", "Österreich"), ("en", "Austria")])
def test_countries_are_those_of_the_iso_list_in_the_readers_language(code: str, name: str) -> None:
    there = dict(countries(code))
    assert there["AT"] == name
    assert 240 < len(there) < 255
    assert not set(there) & {"EU", "UN", "ZZ"}
    names = list(there.values())
    assert names.index(name) < names.index(there["ZW"]), "an umlaut does not come after Z"


def test_time_zones_are_places() -> None:
    there = dict(time_zones())
    assert there["America/New_York"] == "America/New York"
    assert {"Europe/Berlin", "UTC"} <= set(there)
    assert not set(there) & {"CET", "Etc/GMT+1", "GMT"}


def test_an_event_is_shown_without_what_points_into_the_vault() -> None:
    name = "PaymentActionRequired.v1"
    stored = Path(__file__).parents[1].joinpath("stored_events", f"{name}+pay_until.json").read_bytes()
    shown = dict(plain(decoded(name, stored)))
    assert set(shown) == {"attempt", "intent_id", "pay_until"}
    assert shown["pay_until"].endswith("+00:00")
