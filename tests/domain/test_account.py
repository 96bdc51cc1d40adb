"""Who may help himself, how an account pays, and its one open quote."""

from uuid import UUID

from domain.account import BillingAccount, RestrictionReason
from domain.refusals import NoAutomaticPaymentMethod, NotEligibleForSelfService, OpenQuoteChanged
from tests.domain.examples import ACCOUNT, CARD, EXPIRED_CARD, LATER, NOON, QUOTE, account, account_with_card, reference
from tests.domain.given_when_then import given

REASON = RestrictionReason.PRODUCT_NEEDS_ASSISTANCE


def test_an_account_begins_without_card_restriction_or_open_quote() -> None:
    opened = given(account).then()
    assert (opened.payment_method, opened.restriction, opened.open_quote_id) == (None, None, None)
    assert opened.account_id == opened.id == ACCOUNT
    assert opened.account_of(opened) == ACCOUNT  # type: ignore[arg-type]  # every event is the account's own


def test_a_restricted_account_is_sent_to_corporate_account_services() -> None:
    restricted = given(account, lambda it: it.restrict_self_service(REASON, NOON))
    restricted.when(lambda it: it.must_be_eligible()).then_refused(NotEligibleForSelfService, reason=REASON)
    assert NotEligibleForSelfService.ends_self_service


def test_an_account_without_restriction_helps_itself() -> None:
    given(account).when(lambda it: it.must_be_eligible()).then()


def test_the_same_restriction_twice_is_one_fact() -> None:
    given(account).when(lambda it: it.restrict_self_service(REASON, NOON)).then(
        BillingAccount.SelfServiceRestricted, reason=REASON
    )
    given(account, lambda it: it.restrict_self_service(REASON, NOON)).when(
        lambda it: it.restrict_self_service(REASON, LATER)
    ).then()


def test_another_reason_is_another_fact() -> None:
    given(account, lambda it: it.restrict_self_service(REASON, NOON)).when(
        lambda it: it.restrict_self_service(RestrictionReason.PAYMENT_DISPUTE, LATER)
    ).then(BillingAccount.SelfServiceRestricted)


def test_a_restriction_can_be_lifted_once() -> None:
    lifted = given(account, lambda it: it.restrict_self_service(REASON, NOON)).when(
        lambda it: it.allow_self_service(LATER)
    )
    assert lifted.then(BillingAccount.SelfServiceAllowed).restriction is None
    given(account).when(lambda it: it.allow_self_service(NOON)).then()


def test_a_valid_card_is_needed() -> None:
    given(account).when(lambda it: it.must_have_valid_card(NOON)).then_refused(NoAutomaticPaymentMethod, reason="none")
    expired = given(account, lambda it: it.select_payment_method(EXPIRED_CARD, NOON))
    expired.when(lambda it: it.must_have_valid_card(NOON)).then_refused(NoAutomaticPaymentMethod, reason="expired")
    assert given(account_with_card).aggregate.must_have_valid_card(NOON) == CARD


def test_a_card_is_valid_to_the_end_of_its_last_month() -> None:
    assert not EXPIRED_CARD.expired(2026, 2)
    assert EXPIRED_CARD.expired(2026, 3)
    assert EXPIRED_CARD.expired(2027, 1)


def test_contact_and_address_can_be_changed() -> None:
    changed = given(account).when(lambda it: it.change_billing_contact(reference(90), NOON))
    assert changed.then(BillingAccount.BillingContactChanged).billing_contact == reference(90)
    moved = given(account).when(lambda it: it.change_billing_address(reference(91), "AT", NOON))
    after = moved.then(BillingAccount.BillingAddressChanged)
    assert (after.billing_address, after.country) == (reference(91), "AT")


def test_language_and_time_zone_can_be_changed_and_the_same_twice_is_one_fact() -> None:
    changed = given(account).when(lambda it: it.change_locale("en", "Europe/Vienna", NOON))
    changed.then(BillingAccount.AccountLocaleChanged, language="en", time_zone="Europe/Vienna")
    given(account, lambda it: it.change_locale("en", "Europe/Vienna", NOON)).when(
        lambda it: it.change_locale("en", "Europe/Vienna", LATER)
    ).then()


def test_opening_a_quote_takes_the_place_of_the_one_before() -> None:
    given(account, lambda it: it.open_quote(QUOTE, NOON)).when(lambda it: it.open_quote(UUID(int=9), LATER)).then(
        BillingAccount.OpenQuoteChanged, open_quote_id=UUID(int=9), previous_quote_id=QUOTE
    )


def test_only_the_open_quote_can_be_closed() -> None:
    closed = given(account, lambda it: it.open_quote(QUOTE, NOON)).when(lambda it: it.close_quote(QUOTE, LATER))
    assert closed.then(BillingAccount.OpenQuoteChanged, previous_quote_id=QUOTE).open_quote_id is None
    given(account).when(lambda it: it.close_quote(QUOTE, NOON)).then_refused(OpenQuoteChanged, open_quote_id=None)
