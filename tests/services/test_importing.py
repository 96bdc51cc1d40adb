"""Rows from another system: what is missing is added, what is there stays, what differs is said."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from adapters.sandbox_script import Behaviour, Moment
from domain.account import BillingAccount
from domain.identifiers import account_id, subscription_id
from domain.subscription import Subscription
from services.accounts import OpenAccount
from services.importing import AccountInFile, Fate, SubscriptionRow, Verdict
from services.vault_records import Address, Contact, LegalName
from tests.world import ADDRESS, JONAS, World, all_of

LINDNER = OpenAccount(
    number="A-1",
    country="DE",
    currency="EUR",
    language="de",
    time_zone="Europe/Berlin",
    territory="dach",
    vat_id="DE136695976",
    legal_name=LegalName(name="Lindner & Söhne GmbH"),
    billing_contact=JONAS,
    billing_address=ADDRESS,
    payment_token="tok_visa",
)
MEETING = SubscriptionRow("A-1", "S-1", "goto_meeting", 10, Decimal("228.00"), date(2026, 1, 1), date(2027, 1, 1))


@pytest.fixture
def empty() -> World:
    return World()


async def opened(world: World, *rows: OpenAccount, dry_run: bool = False) -> list[Verdict]:
    return await world.importing.accounts(rows, world.clock.at, dry_run=dry_run)


async def started(
    world: World, *rows: SubscriptionRow, dry_run: bool = False, **in_file: AccountInFile
) -> list[Verdict]:
    return await world.importing.subscriptions(
        rows, {number.replace("_", "-"): each for number, each in in_file.items()}, world.clock.at, dry_run=dry_run
    )


def fates(verdicts: list[Verdict]) -> list[Fate]:
    return [verdict.fate for verdict in verdicts]


def fields(verdict: Verdict) -> list[str]:
    return [problem.field for problem in verdict.problems]


async def test_a_row_that_is_missing_is_added_with_its_card_and_price_in_minor_units(empty: World) -> None:
    assert fates(await opened(empty, LINDNER)) == [Fate.ADDED]
    assert fates(await started(empty, MEETING)) == [Fate.ADDED]
    account = await empty.the(BillingAccount, account_id("A-1"))
    assert account.payment_method
    assert account.payment_method.brand == "visa"
    subscription = await empty.the(Subscription, subscription_id("S-1"))
    assert (subscription.unit_price, subscription.currency, subscription.seats) == (22800, "EUR", 10)
    assert {each.actor.id for each in empty.events.recorded} == {"import"}


async def test_the_same_rows_again_change_nothing(empty: World) -> None:
    for expected in (Fate.ADDED, Fate.UNCHANGED):
        assert fates(await opened(empty, LINDNER)) == [expected]
        assert fates(await started(empty, MEETING)) == [expected]
        before = len(empty.events.recorded)
    assert len(empty.events.recorded) == before == 3


async def test_a_dry_run_says_the_same_and_stores_nothing(empty: World) -> None:
    assert fates(await opened(empty, LINDNER, dry_run=True)) == [Fate.ADDED]
    would_be = AccountInFile(2, "EUR")
    assert fates(await started(empty, MEETING, dry_run=True, A_1=would_be)) == [Fate.ADDED]
    assert not empty.events.recorded


async def test_a_dry_run_asks_the_gateway_about_the_card_as_well(empty: World) -> None:
    rows = replace(LINDNER, payment_token="tok_nobody"), replace(LINDNER, number="A-2", payment_token=None)
    verdicts = await opened(empty, *rows, dry_run=True)
    assert [fields(verdict) for verdict in verdicts] == [["payment_token"], []]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"language": "en"}, "language"),
        ({"time_zone": "Europe/Paris"}, "time_zone"),
        ({"territory": "west"}, "territory"),
        ({"vat_id": None}, "vat_id"),
        ({"legal_name": LegalName(name="Other GmbH")}, "legal_name"),
        ({"billing_contact": Contact(name="Eva", email=JONAS.email)}, "contact_name"),
        ({"billing_contact": Contact(name=JONAS.name, email="eva@lindner.example")}, "contact_email"),
        ({"billing_contact": JONAS.model_copy(update={"phone": "+4922112345"})}, "contact_phone"),
        ({"billing_address": ADDRESS.model_copy(update={"street": "Ring 1"})}, "street"),
        ({"billing_address": ADDRESS.model_copy(update={"postal_code": "50667"})}, "postal_code"),
        ({"billing_address": ADDRESS.model_copy(update={"city": "Bonn"})}, "city"),
        ({"billing_address": ADDRESS.model_copy(update={"region": "NRW"})}, "region"),
        ({"payment_token": "tok_amex"}, "payment_token"),
    ],
)
async def test_an_account_that_differs_is_said_and_not_changed(empty: World, given: object, field: str) -> None:
    await opened(empty, LINDNER)
    before = len(empty.events.recorded)
    (verdict,) = await opened(empty, replace(LINDNER, **given))  # type: ignore[arg-type]
    assert (verdict.fate, fields(verdict)) == (Fate.DIFFERENT, [field])
    assert len(empty.events.recorded) == before


async def test_another_country_or_currency_differs_as_well(empty: World) -> None:
    await opened(empty, LINDNER)
    moved = Address(street=ADDRESS.street, postal_code=ADDRESS.postal_code, city=ADDRESS.city, country="CZ")
    row = replace(LINDNER, country="CZ", currency="CZK", vat_id=None, billing_address=moved)
    (verdict,) = await opened(empty, row)
    assert fields(verdict) == ["country", "currency", "vat_id"]


async def test_a_row_without_a_card_says_nothing_about_the_accounts_card(empty: World) -> None:
    await opened(empty, LINDNER)
    assert fates(await opened(empty, replace(LINDNER, payment_token=None))) == [Fate.UNCHANGED]


async def test_a_card_for_an_account_that_was_stored_without_one_differs(empty: World) -> None:
    await opened(empty, replace(LINDNER, payment_token=None))
    (verdict,) = await opened(empty, LINDNER)
    assert (verdict.fate, fields(verdict)) == (Fate.DIFFERENT, ["payment_token"])


async def test_an_erased_person_is_not_brought_back(empty: World) -> None:
    await opened(empty, LINDNER)
    empty.events.erase((await empty.the(BillingAccount, account_id("A-1"))).billing_contact)
    (verdict,) = await opened(empty, LINDNER)
    assert (verdict.fate, fields(verdict)) == (Fate.DIFFERENT, ["contact_name", "contact_email"])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"account_number": "A-2"}, "account_number"),
        ({"product": "goto_webinar"}, "product"),
        ({"seats": 12}, "seats"),
        ({"unit_price": Decimal("228.01")}, "unit_price"),
        ({"term_start": date(2026, 1, 2)}, "term_start"),
        ({"term_end": date(2027, 1, 2)}, "term_end"),
    ],
)
async def test_a_subscription_that_differs_is_said_and_not_changed(empty: World, given: object, field: str) -> None:
    await opened(empty, LINDNER, replace(LINDNER, number="A-2"))
    await started(empty, MEETING)
    before = len(empty.events.recorded)
    (verdict,) = await started(empty, replace(MEETING, **given))  # type: ignore[arg-type]
    assert (verdict.fate, fields(verdict)) == (Fate.DIFFERENT, [field])
    assert len(empty.events.recorded) == before


@pytest.mark.parametrize(
    ("country", "currency", "fits"),
    [
        ("DE", "EUR", True),
        ("DE", "USD", False),
        ("DE", "CHF", False),
        ("CH", "CHF", True),
        ("CH", "EUR", True),
        ("CH", "USD", False),
        ("US", "USD", True),
        ("NO", "USD", True),
        ("NO", "SEK", False),
    ],
)
async def test_the_currency_must_fit_the_country(empty: World, country: str, currency: str, fits: bool) -> None:  # noqa: FBT001
    (verdict,) = await opened(empty, replace(LINDNER, country=country, currency=currency, vat_id=None), dry_run=True)
    assert fields(verdict) == ([] if fits else ["currency"])


@pytest.mark.parametrize(
    ("country", "vat_id", "holds"),
    [
        ("DE", "DE136695976", True),
        ("DE", "DE136695977", False),
        ("DE", "136695976", False),
        ("FR", "DE136695976", False),
        ("GR", "EL094259216", True),
        ("DE", None, True),
        ("CH", "CHE-123.456.788 MWST", True),  # outside the EU nothing here can check it
    ],
)
async def test_within_the_eu_a_vat_id_must_hold_and_be_the_countrys(
    empty: World,
    country: str,
    vat_id: str | None,
    holds: bool,  # noqa: FBT001
) -> None:
    (verdict,) = await opened(empty, replace(LINDNER, country=country, vat_id=vat_id), dry_run=True)
    assert fields(verdict) == ([] if holds else ["vat_id"])


@pytest.mark.parametrize(
    ("price", "minor"),
    [("228", 22800), ("228.5", 22850), ("228.000", 22800), ("0.10", 10), ("0", 0), ("9999999999.99", 999999999999)],
)
async def test_a_price_is_exact(empty: World, price: str, minor: int) -> None:
    await opened(empty, LINDNER)
    assert fates(await started(empty, replace(MEETING, unit_price=Decimal(price)))) == [Fate.ADDED]
    assert (await empty.the(Subscription, subscription_id("S-1"))).unit_price == minor


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"unit_price": Decimal("228.001")}, "unit_price"),
        ({"unit_price": Decimal("1.234")}, "unit_price"),
        ({"term_end": MEETING.term_start}, "term_end"),
        ({"term_end": MEETING.term_start - timedelta(days=1)}, "term_end"),
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(empty: World, given: object, field: str) -> None:
    await opened(empty, LINDNER)
    (verdict,) = await started(empty, replace(MEETING, **given))  # type: ignore[arg-type]
    assert (verdict.fate, fields(verdict)) == (Fate.REFUSED, [field])
    assert "S-1" not in {getattr(each.event, "number", None) for each in empty.events.recorded}


async def test_a_subscription_without_its_account_is_refused_and_says_where_to_look(empty: World) -> None:
    (unknown,) = await started(empty, MEETING)
    (refused,) = await started(empty, MEETING, A_1=AccountInFile(7, None))
    assert [fields(unknown), fields(refused)] == [["account_number"], ["account_number"]]
    assert "neither stored nor in" in unknown.problems[0].wrong
    assert "line 7 " in refused.problems[0].wrong


async def test_one_bad_row_keeps_no_other_out(empty: World) -> None:
    rows = [replace(LINDNER, number=f"A-{each}") for each in range(5)]
    rows[2] = replace(rows[2], payment_token="tok_nobody")
    assert fates(await opened(empty, *rows)) == [Fate.ADDED, Fate.ADDED, Fate.REFUSED, Fate.ADDED, Fate.ADDED]
    assert empty.types().count("AccountOpened.v1") == 4


async def test_a_gateway_that_is_away_is_no_verdict_on_the_card(empty: World) -> None:
    await empty.script.plan("payments.card", Moment.BEFORE, Behaviour.UNAVAILABLE)
    (verdict,) = await opened(empty, LINDNER)
    assert "gave no answer" in verdict.problems[0].wrong
    assert fates(await opened(empty, LINDNER)) == [Fate.ADDED]


async def test_the_same_file_imported_twice_at_once_adds_once(empty: World) -> None:
    rows = [replace(LINDNER, number=f"A-{each}") for each in range(20)]
    await all_of(opened(empty, *rows), opened(empty, *rows))
    await all_of(
        *(
            started(empty, *(replace(MEETING, account_number=row.number, number=f"S-{row.number}") for row in rows))
            for _ in range(2)
        )
    )
    assert (empty.types().count("AccountOpened.v1"), empty.types().count("SubscriptionStarted.v1")) == (20, 20)


async def test_another_content_at_the_same_moment_is_not_called_added(empty: World) -> None:
    both = await all_of(opened(empty, LINDNER), opened(empty, replace(LINDNER, territory="west")))
    assert sorted(verdicts[0].fate for verdicts in both) == [Fate.ADDED, Fate.REFUSED]
    assert empty.types().count("AccountOpened.v1") == 1


async def test_an_account_that_somebody_opened_otherwise_is_found(empty: World) -> None:
    await empty.open_account("A-1")
    (verdict,) = await opened(empty, replace(LINDNER, payment_token=None))
    assert fields(verdict) == ["contact_name", "contact_email"]
