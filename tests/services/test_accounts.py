"""Opening accounts and keeping their settings."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.account import BillingAccount, RestrictionReason
from domain.quote import Quote
from domain.refusals import StaleVersion, TermInvalid
from domain.subscription import Subscription
from services.accounts import OpenAccount, StartSubscription
from services.ports import CommandContext, Outcome
from services.vault_records import Contact, GatewayToken, LegalName
from tests.world import ACCOUNT, ADDRESS, JONAS, MEETING, OPERATOR, World, all_of, succeeded


async def test_an_account_that_is_there_is_not_opened_again(world: World) -> None:
    before = len(world.events.recorded)
    await world.open_account(card=None)
    assert len(world.events.recorded) == before


async def test_a_subscription_that_is_there_is_not_started_again(world: World) -> None:
    before = len(world.events.recorded)
    await world.start_subscription("S-1")
    assert len(world.events.recorded) == before


async def test_the_same_key_again_gives_the_same_outcome(world: World) -> None:
    commands: list[Callable[[CommandContext], Awaitable[Outcome]]] = [
        lambda context: world.accounts.select_payment_method(ACCOUNT, "tok_amex", context),
        lambda context: world.accounts.restrict_self_service(ACCOUNT, RestrictionReason.INVOICE_BILLING, context),
        lambda context: world.accounts.allow_self_service(ACCOUNT, context),
    ]
    for command in commands:
        context = world.context(OPERATOR)
        first = await command(context)
        before = len(world.events.recorded)
        assert await command(context) == first
        assert len(world.events.recorded) == before


async def test_opening_under_the_same_key_gives_the_same_outcome() -> None:
    world = World()
    await world.open_account(card=None)
    world.keys = 0
    before = len(world.events.recorded)
    await world.open_account(card=None)
    assert len(world.events.recorded) == before


async def test_starting_under_the_same_key_gives_the_same_outcome() -> None:
    world = World()
    await world.open_account()
    keys = world.keys
    await world.start_subscription()
    world.keys = keys
    before = len(world.events.recorded)
    await world.start_subscription()
    assert len(world.events.recorded) == before


async def test_a_subscription_is_in_its_accounts_currency(world: World) -> None:
    assert (await world.the(Subscription, MEETING)).currency == "EUR"


async def test_each_card_is_a_version_of_the_accounts_token(world: World) -> None:
    await world.accounts.select_payment_method(ACCOUNT, "tok_amex", world.context(OPERATOR))
    account = await world.the(BillingAccount, ACCOUNT)
    assert account.payment_method is not None
    assert (account.payment_method.brand, account.payment_method.token.version) == ("amex", 2)
    records = await world.events.read([account.payment_method.token])
    assert records[account.payment_method.token] == GatewayToken(token="tok_amex")


async def test_a_restriction_is_stored_with_its_reason(world: World) -> None:
    await world.accounts.restrict_self_service(ACCOUNT, RestrictionReason.INVOICE_BILLING, world.context(OPERATOR))
    assert (await world.the(BillingAccount, ACCOUNT)).restriction is RestrictionReason.INVOICE_BILLING


async def test_two_cards_selected_at_once_are_both_in_the_history(world: World) -> None:
    results = await all_of(
        *(
            world.accounts.select_payment_method(ACCOUNT, token, world.context(OPERATOR))
            for token in ("tok_amex", "tok_mastercard")
        )
    )
    assert len(succeeded(results)) == 2
    assert world.types().count("PaymentMethodSelected.v1") == 3


async def test_a_subscription_without_a_day_is_refused(world: World) -> None:
    today = world.clock.at.date()
    for end in (today, today - timedelta(days=1)):
        command = StartSubscription(ACCOUNT, "S-empty", "goto_meeting", 10, 22800, today, end)
        with pytest.raises(TermInvalid):
            await world.accounts.start_subscription(command, world.context(OPERATOR))


async def test_contact_and_address_are_changed_at_the_version_that_was_seen(world: World) -> None:
    contact = Contact(name="Ben Krause", email="ben@lindner.example")
    address = ADDRESS.model_copy(update={"country": "FR"})
    version = (await world.the(BillingAccount, ACCOUNT)).version
    await world.accounts.change_billing_contact(ACCOUNT, contact, world.context(), version)
    with pytest.raises(StaleVersion):
        await world.accounts.change_billing_address(ACCOUNT, address, world.context(), version)
    await world.accounts.change_billing_address(ACCOUNT, address, world.context(), version + 1)
    account = await world.the(BillingAccount, ACCOUNT)
    assert account.country == "FR"
    assert (await world.events.read([account.billing_contact]))[account.billing_contact] == contact


async def test_an_account_may_be_opened_with_its_card_in_one_append() -> None:
    world = World()
    command = OpenAccount(
        number="A-1",
        country="DE",
        currency="EUR",
        language="de",
        time_zone="Europe/Berlin",
        territory="dach",
        vat_id=None,
        legal_name=LegalName(name="Lindner & Söhne GmbH"),
        billing_contact=JONAS,
        billing_address=ADDRESS,
        payment_token="tok_amex",
    )
    outcome = await world.accounts.open(command, world.context(OPERATOR))
    account = await world.the(BillingAccount, ACCOUNT)
    assert (outcome.version, world.types()) == (2, ["AccountOpened.v1", "PaymentMethodSelected.v1"])
    assert len({each.correlation_id for each in world.events.recorded}) == 1
    assert account.payment_method
    assert (account.payment_method.brand, account.payment_method.token.version) == ("amex", 1)
    records = await world.events.read([account.payment_method.token])
    assert records[account.payment_method.token] == GatewayToken(token="tok_amex")


async def test_a_quote_keeps_the_time_zone_that_it_was_issued_in(world: World) -> None:
    quote = await world.quote((MEETING, 3))
    version = (await world.the(BillingAccount, ACCOUNT)).version
    await world.accounts.change_locale(ACCOUNT, "en", "Pacific/Auckland", world.context(), version)
    account = await world.the(BillingAccount, ACCOUNT)
    assert (account.language, account.time_zone) == ("en", "Pacific/Auckland")
    assert (await world.the(Quote, quote)).time_zone == "Europe/Berlin"
    with pytest.raises(StaleVersion):
        await world.accounts.change_locale(ACCOUNT, "de", "Europe/Berlin", world.context(), version)
