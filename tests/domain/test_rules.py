"""Prices, tax, days, numbers, card numbers, refusals and the stored names: the rules that stand alone."""

import inspect
import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as generated
from hypothesis import strategies

from domain import identifiers, refusals
from domain.calendar import business_day, first_instant
from domain.card_numbers import contains_card_number
from domain.history import AGGREGATES, EVENT_CLASSES, replayed, topic_of
from domain.ledger import LedgerAggregate
from domain.money import divided_half_up
from domain.pricing import Term, prorated_net, totals
from domain.products import Product, supported_product
from domain.quote import Quote
from domain.receipts import ReceiptSeries
from domain.refusals import ProductUnsupported, Refusal
from domain.subscription import Subscription
from domain.tax import TaxCategory, tax_on, tax_treatment
from tests.domain.examples import ACCOUNT, GROSS, NOON, ORDER, TODAY, line, quote, reference, series

EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
DAY = date(2026, 3, 31)


# --- money and prices ----------------------------------------------------------------------------------------------


def test_half_a_cent_is_rounded_up() -> None:
    assert [divided_half_up(numerator, 2) for numerator in (0, 1, 2, 3)] == [0, 1, 1, 2]


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 2), (1, 0), (1, -2)])
def test_what_cannot_be_rounded_is_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="no half-up rounding"):
        divided_half_up(numerator, denominator)


@pytest.mark.parametrize(("remaining", "term"), [(0, 365), (-1, 365), (366, 365)])
def test_days_lie_in_the_term(remaining: int, term: int) -> None:
    with pytest.raises(ValueError, match="days do not lie"):
        prorated_net(22800, 1, remaining, term)


@generated(
    strategies.integers(0, 10**9), strategies.integers(1, 10_000), strategies.integers(1, 1100), strategies.data()
)
def test_a_prorated_price_grows_with_the_days_and_never_passes_the_full_one(
    price: int, seats: int, term: int, data: strategies.DataObject
) -> None:
    days = data.draw(strategies.integers(1, term))
    net = prorated_net(price, seats, days, term)
    assert 0 <= net <= price * seats
    assert prorated_net(price, seats, term, term) == price * seats
    if days < term:
        assert net <= prorated_net(price, seats, days + 1, term)
    assert abs(net * term - price * seats * days) * 2 <= term, "at most half a minor unit off"


@generated(strategies.lists(strategies.tuples(strategies.integers(0, 10**9), strategies.integers(0, 10**9))))
def test_totals_are_the_sums_of_their_lines(amounts: list[tuple[int, int]]) -> None:
    sums = totals(line(net=net, tax=tax) for net, tax in amounts)
    assert (sums.net, sums.tax) == (sum(net for net, _ in amounts), sum(tax for _, tax in amounts))
    assert sums.gross == sums.net + sums.tax


def test_a_term_counts_its_start_and_not_its_end() -> None:
    leap = Term(date(2028, 1, 1), date(2029, 1, 1))
    assert (leap.days, leap.remaining_days(leap.start), leap.remaining_days(date(2028, 12, 31))) == (366, 366, 1)
    assert leap.remaining_days(date(2027, 12, 1)) == 366, "before the term its whole length"


# --- tax -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("country", EU)
def test_each_country_of_the_union_has_a_standard_rate(country: str) -> None:
    treatment = tax_treatment("DE", country, None, DAY)
    assert treatment is not None
    assert (treatment.category, treatment.country) == (TaxCategory.STANDARD, country)
    assert 1700 <= treatment.rate_basis_points <= 2700


@pytest.mark.parametrize("country", [each for each in EU if each != "DE"])
def test_a_vat_id_of_another_member_state_moves_the_tax_to_the_buyer(country: str) -> None:
    treatment = tax_treatment("DE", country, country, DAY)
    assert treatment is not None
    assert (treatment.category, treatment.rate_basis_points) == (TaxCategory.REVERSE_CHARGE, 0)


def test_a_vat_id_of_a_third_state_or_the_sellers_own_moves_nothing() -> None:
    for vat_id_country in ("DE", "AT", None):
        treatment = tax_treatment("DE", "FR", vat_id_country, DAY)
        assert treatment is not None
        assert treatment.category is TaxCategory.STANDARD
    domestic = tax_treatment("DE", "DE", "DE", DAY)
    assert domestic is not None
    assert domestic.rate_basis_points == 1900


@pytest.mark.parametrize("country", ["US", "GB", "CH", "NO", "XX", ""])
def test_elsewhere_there_is_no_rule(country: str) -> None:
    assert tax_treatment("DE", country, None, DAY) is None
    assert tax_treatment("DE", country, country, DAY) is None


@pytest.mark.parametrize(
    ("country", "day", "rate"),
    [
        ("DE", date(2020, 6, 30), 1900),
        ("DE", date(2020, 7, 1), 1600),
        ("DE", date(2021, 1, 1), 1900),
        ("EE", date(2025, 6, 30), 2200),
        ("EE", date(2025, 7, 1), 2400),
        ("SK", date(2025, 1, 1), 2300),
    ],
)
def test_a_rate_holds_from_its_first_day(country: str, day: date, rate: int) -> None:
    treatment = tax_treatment("DE", country, None, day)
    assert treatment is not None
    assert treatment.rate_basis_points == rate


def test_before_the_table_begins_there_is_no_rule() -> None:
    assert tax_treatment("DE", "DE", "DE", date(2019, 12, 31)) is None


def test_tax_is_rounded_once() -> None:
    assert (tax_on(37729, 1900), tax_on(50, 1900), tax_on(0, 1900), tax_on(100, 2550)) == (7169, 10, 0, 26)


# --- days ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 29)),
        (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "Europe/Berlin", date(2026, 10, 25)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "Europe/Berlin", date(2027, 1, 1)),
        (datetime(2027, 1, 1, 4, 0, tzinfo=UTC), "America/New_York", date(2026, 12, 31)),
    ],
)
def test_a_day_is_the_accounts_day(at: datetime, zone: str, day: date) -> None:
    assert business_day(at, zone) == day
    assert first_instant(day, zone) <= at < first_instant(day + timedelta(days=1), zone)


def test_the_day_the_clocks_change_has_23_or_25_hours() -> None:
    hours = [
        first_instant(day + timedelta(days=1), "Europe/Berlin") - first_instant(day, "Europe/Berlin")
        for day in (date(2026, 3, 29), date(2026, 10, 25))
    ]
    assert hours == [timedelta(hours=23), timedelta(hours=25)]


# --- card numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4000.0566.5566.5556",
        "5555 5555 5555 4444",
        "2223003122003222",
        "3782 822463 10005",
        "6011111111111117",
        "3056 9300 0902 0004",
        "3566002020360505",
        "6200000000000005",
        "6799990100000000019",
        "card: 4242\u00a04242\u00a04242\u00a04242!",
        "\uff14\uff12\uff14\uff12" * 4,  # full width
        "\u0664\u0662\u0664\u0662" * 4,  # Arabic-Indic
    ],
)
def test_a_card_number_is_found_however_it_is_written(number: str) -> None:
    assert contains_card_number(number)
    assert contains_card_number(f"please charge {number}, thank you")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PO-2026-0815",
        "4711",
        "4242424242424241",
        "42424242424242424242424242424242",
        "+49 221 1234567",
        "+4915112345678",
        "DE89 3704 0044 0532 0130 00",
        "2026-03-31T10:15:30.123456Z",
        "5ea71ed9-0000-5000-8000-000000000001",
        "O-7K2QF-9M3TD",
        "order 1234567890123456",
        "9999 9999 9999 9995",
        "EAN 4006381333931",
        "00000000000000",
        "60640436-1436-5492-a6ef-ef2a662b01f1",
        "key 0D0295DA-2100-5A67-B361-269161538727.",
    ],
)
def test_references_that_only_look_like_one_pass(text: str) -> None:
    assert not contains_card_number(text)


def test_a_uuid_hides_no_card_number_beside_it_or_in_its_shape() -> None:
    assert contains_card_number("60640436-1436-5492-a6ef-ef2a662b01f1 4242 4242 4242 4242")
    assert contains_card_number("42424242-4242-4242")
    assert contains_card_number("4242-4242-4242-4242-a")


# --- names and numbers ---------------------------------------------------------------------------------------------


def test_the_same_thing_has_the_same_id_and_another_has_another() -> None:
    account, command, owner = UUID(int=1), UUID(int=2), UUID(int=3)
    made = [
        identifiers.command_id(account, "p-1", "key"),
        identifiers.command_id(account, "p-1", "key2"),
        identifiers.command_id(account, "p-1k", "ey"),
        identifiers.command_id(owner, "p-1", "key"),
        identifiers.event_id(command, 0),
        identifiers.event_id(command, 1),
        identifiers.account_id("A-1"),
        identifiers.subscription_id("A-1"),
        identifiers.quote_id(command),
        identifiers.order_id(command),
        identifiers.receipt_series_id("SL-DE", 2026),
        identifiers.receipt_series_id("SL-DE", 2027),
        identifiers.vault_id(owner, "contact"),
        identifiers.work_id(owner, "fulfil"),
    ]
    assert len(set(made)) == len(made)
    assert identifiers.command_id(account, "p-1", "key") == made[0]


def test_document_numbers_can_be_read_aloud() -> None:
    number = identifiers.document_number("Q", ORDER)
    assert re.fullmatch(r"Q-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", number)


def test_there_are_five_products_and_no_other() -> None:
    assert [product.title for product in Product] == [
        "GoTo Meeting",
        "GoTo Webinar",
        "GoTo Training",
        "GoToAssist v4",
        "GoToAssist v5",
    ]
    with pytest.raises(ProductUnsupported):
        supported_product("openvoice")


REFUSALS = [each for each in vars(refusals).values() if inspect.isclass(each) and issubclass(each, Refusal)]


@pytest.mark.parametrize("refusal", [each for each in REFUSALS if each is not Refusal], ids=lambda each: each.__name__)
def test_a_refusal_says_its_facts_in_a_plain_sentence(refusal: type[Refusal]) -> None:
    names = list(inspect.signature(refusal).parameters)
    said = str(refusal(**dict.fromkeys(names, "FACT")))
    assert "{" not in said
    assert said[0].isupper()
    assert said.endswith(".")
    assert refusal.code == refusal.code.upper() != ""


# --- history -------------------------------------------------------------------------------------------------------


def test_every_event_class_has_a_stored_name_for_ever() -> None:
    for topic, event_class in EVENT_CLASSES.items():
        assert re.fullmatch(r"[A-Z][A-Za-z]+\.v[1-9][0-9]*", topic)
        assert topic.startswith(event_class.__name__)
    declared = [
        member
        for aggregate in AGGREGATES
        for member in vars(aggregate).values()
        if isinstance(member, type) and issubclass(member, LedgerAggregate.Event) and member is not aggregate.Event
    ]
    assert set(declared) == set(EVENT_CLASSES.values())


def test_the_owners_five_events_keep_their_names() -> None:
    owners = {"QuoteIssued", "QuoteExpiredBySupersession", "SeatsRequested", "OrderPlaced", "SeatsProvisioned"}
    assert {f"{name}.v1" for name in owners} <= set(EVENT_CLASSES)


def test_a_stream_is_of_one_kind() -> None:
    events = list(quote().collect_events())
    assert topic_of(events[0]) == "QuoteIssued.v1"
    assert isinstance(replayed(Quote, events), Quote)
    assert replayed(Quote, []) is None
    with pytest.raises(TypeError, match="a stream of Quote, not of Subscription"):
        replayed(Subscription, events)


def test_a_receipt_takes_the_next_number_and_stands_in_its_accounts_history() -> None:
    mine = series()
    for number in (1, 2):
        assert mine.next_number == number
        mine.issue(UUID(int=8), ACCOUNT, ORDER, TODAY, "de", "EUR", GROSS, reference(77), "0" * 64, "1", "1", NOON)
    first, second = mine.collect_events()
    assert isinstance(first, ReceiptSeries.ReceiptIssued)
    assert isinstance(second, ReceiptSeries.ReceiptIssued)
    assert [first.receipt_number, second.receipt_number] == ["SL-DE-2026-000001", "SL-DE-2026-000002"]
    assert mine.account_of(first) == ACCOUNT


def test_the_opening_of_a_series_stands_in_no_accounts_history() -> None:
    opened = ReceiptSeries(id=series().id, seller="SL-DE", year=2026, timestamp=NOON)
    (event,) = opened.collect_events()
    assert opened.account_of(event) == series().id
    assert opened.next_number == 1
    assert opened.next_receipt_number == series().next_receipt_number
