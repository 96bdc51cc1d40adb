"""From the quote to the placed order."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.account import BillingAccount, RestrictionReason
from domain.identifiers import order_id
from domain.order import PROCESSING_TIME, OrderState, ServiceOrder
from domain.quote import CartLine, Quote, QuoteOrigin, QuoteState
from domain.refusals import (
    Conflict,
    NoAutomaticPaymentMethod,
    NotEligibleForSelfService,
    NotFound,
    OrderNotInState,
    QuoteChanged,
    QuoteExpired,
    QuoteNotOpen,
    SeatChangePending,
    StaleVersion,
    TermsVersionUnknown,
)
from domain.subscription import Subscription
from services.ordering import ChangeOrderDetails
from services.quoting import IssueQuote
from services.vault_records import PurchaseOrder, RequestContext, ReviewedPage
from tests.world import ACCOUNT, ADDRESS, ASSIST, JONAS, MEETING, OPERATOR, REP, TERMS, World, all_of, succeeded


async def test_preparing_again_gives_the_same_order(world: World) -> None:
    quote = await world.quote()
    first = await world.ordering.prepare(quote, world.context())
    again = await world.ordering.prepare(quote, world.context())
    assert (first.id, first.version) == (again.id, again.version) == (order_id(quote), 1)
    assert again.position.position == 0, "nothing new was stored"


async def test_preparing_under_the_same_key_gives_the_same_outcome(world: World) -> None:
    quote, context = await world.quote(), world.context()
    assert await world.ordering.prepare(quote, context) == await world.ordering.prepare(quote, context)


async def test_only_an_open_quote_is_prepared(world: World) -> None:
    quote = await world.quote()
    await world.quoting.decline(quote, world.context())
    with pytest.raises(QuoteNotOpen):
        await world.ordering.prepare(quote, world.context())


async def test_an_expired_quote_is_not_prepared(world: World) -> None:
    quote = await world.quote()
    world.clock.move(timedelta(days=30))
    with pytest.raises(QuoteExpired):
        await world.ordering.prepare(quote, world.context())


async def test_the_details_can_be_changed_while_the_order_is_a_draft(world: World) -> None:
    order = await world.prepared(admin=False)
    step = await world.ordering.change_admin_contact(order.id, order.version, JONAS, world.context())
    step = await world.ordering.change_payment_method(order.id, step.version, "tok_amex", world.context())
    step = await world.ordering.change_billing_address(
        order.id, step.version, ADDRESS.model_copy(update={"city": "Bonn"}), world.context()
    )
    details = (await world.order(order.id)).details
    assert details.admin_contact is not None
    assert details.payment_method is not None
    assert details.payment_method.brand == "amex"
    records = await world.events.read([details.billing_address, details.admin_contact])
    assert records[details.billing_address] == ADDRESS.model_copy(update={"city": "Bonn"})
    assert records[details.admin_contact] == JONAS


async def test_the_details_of_a_page_are_changed_at_once_or_not_at_all(world: World) -> None:
    order = await world.order((await world.prepared(admin=False)).id)
    moved = ADDRESS.model_copy(update={"city": "Bonn"})
    change = ChangeOrderDetails(order.id, order.version, JONAS, moved, "tok_amex")
    abroad = replace(change, billing_address=ADDRESS.model_copy(update={"country": "AT"}))
    with pytest.raises(QuoteChanged):
        await world.ordering.change_details(abroad, world.context())
    assert (await world.order(order.id)).details == order.details
    outcome = await world.ordering.change_details(change, world.context())
    assert outcome.version == order.version + 1, "one fact"
    details = (await world.order(order.id)).details
    assert details.payment_method is not None
    assert details.payment_method.brand == (await world.ordering.card("tok_amex")).brand
    assert details.admin_contact is not None
    records = await world.events.read([details.billing_address, details.admin_contact])
    assert set(records.values()) == {moved, JONAS}


async def test_a_card_that_somebody_chose_can_be_taken_at_whatever_version_the_order_is(world: World) -> None:
    order = await world.prepared()
    await world.ordering.change_admin_contact(order.id, order.version, JONAS, world.context())
    await world.ordering.change_details(ChangeOrderDetails(order.id, None, card_token="tok_amex"), world.context())
    card = (await world.order(order.id)).details.payment_method
    assert card is not None
    assert card.brand == "amex"


async def test_what_is_reviewed_is_what_is_placed(world: World) -> None:
    order = await world.order((await world.prepared()).id)
    world.clock.move(timedelta(days=1))
    reviewed = await world.ordering.review(order.id, world.clock.at)
    assert (reviewed.version, reviewed.terms_version) == (order.version, TERMS)
    assert reviewed.lines != order.lines, "a day less"
    await world.ordering.place(world.placing(order.id, reviewed.version), world.context())
    placed = await world.order(order.id)
    assert (placed.lines, placed.details.payment_method) == (reviewed.lines, reviewed.payment_method)


async def test_the_page_that_was_shown_is_kept_and_the_order_says_which(world: World) -> None:
    order = await world.prepared()
    page = ReviewedPage(locale="de", html="<p>Serviceauftrag</p>")
    await world.ordering.place(world.placing(order.id, order.version, page=page), world.context())
    [placed] = [each.event for each in world.events.recorded if isinstance(each.event, ServiceOrder.OrderPlaced)]
    assert placed.page is not None
    assert (await world.events.read([placed.page]))[placed.page] == page
    assert placed.page_digest == hashlib.sha256(page.html.encode()).hexdigest()


async def test_what_can_not_be_placed_can_not_be_reviewed(world: World) -> None:
    order = await world.prepared()
    world.clock.move(timedelta(days=30))
    with pytest.raises(QuoteExpired):
        await world.ordering.review(order.id, world.clock.at)


async def test_a_detail_changed_twice_is_the_next_version_of_the_same_record(world: World) -> None:
    order = await world.prepared()
    await world.ordering.change_admin_contact(order.id, order.version, JONAS, world.context())
    details = (await world.order(order.id)).details
    assert details.admin_contact is not None
    assert details.admin_contact.version == 2


async def test_a_change_under_the_same_key_is_one_change(world: World) -> None:
    order, context = await world.prepared(admin=False), world.context()
    first = await world.ordering.change_admin_contact(order.id, order.version, JONAS, context)
    assert await world.ordering.change_admin_contact(order.id, order.version, JONAS, context) == first
    assert (await world.order(order.id)).version == order.version + 1


async def test_a_stale_page_changes_and_places_nothing(world: World) -> None:
    order = await world.prepared()
    with pytest.raises(StaleVersion):
        await world.ordering.change_admin_contact(order.id, order.version - 1, JONAS, world.context())
    with pytest.raises(StaleVersion):
        await world.ordering.place(world.placing(order.id, order.version - 1), world.context())


async def test_an_address_in_another_country_would_change_the_tax_and_is_refused(world: World) -> None:
    order = await world.prepared()
    with pytest.raises(QuoteChanged):
        await world.ordering.change_billing_address(
            order.id, order.version, ADDRESS.model_copy(update={"country": "AT"}), world.context()
        )


async def test_an_order_prepared_without_a_card_can_get_one(world: World) -> None:
    world = World()
    await world.customer()
    order = await world.prepared(admin=False)
    await world.ordering.change_payment_method(order.id, order.version, "tok_visa", world.context())
    details = (await world.order(order.id)).details
    assert details.payment_method is not None
    assert details.payment_method.token.version == 1


async def test_placing_accepts_the_quote_orders_the_seats_and_closes_the_open_quote_in_one_append(world: World) -> None:
    prepared = await world.prepared((MEETING, 2), (ASSIST, 1))
    before = len(world.events.recorded)
    await world.ordering.place(world.placing(prepared.id, prepared.version), world.context())
    assert world.types(before) == [
        "OrderPlaced.v1",
        "QuoteAccepted.v1",
        "OpenQuoteChanged.v1",
        "SeatChangeOrdered.v1",
        "SeatChangeOrdered.v1",
    ]
    order = await world.order(prepared.id)
    assert order.due_at == world.clock.at + PROCESSING_TIME
    assert (await world.the(Quote, order.quote_id)).state is QuoteState.ACCEPTED
    assert (await world.the(BillingAccount, ACCOUNT)).open_quote_id is None
    change = (await world.the(Subscription, MEETING)).seat_change
    assert change is not None
    assert (change.order_id, change.seats_to_add, change.seats_after) == (order.id, 2, 12)


async def test_po_number_and_request_context_are_in_the_vault(world: World) -> None:
    order = await world.order(await world.placed())
    assert order.purchase_order is not None
    assert (await world.events.read([order.purchase_order]))[order.purchase_order] == PurchaseOrder(number="PO-4711")


async def test_an_order_without_po_number_is_placed(world: World) -> None:
    prepared = await world.prepared()
    command = replace(world.placing(prepared.id, prepared.version), po_number=None)
    await world.ordering.place(command, world.context())
    assert (await world.order(prepared.id)).purchase_order is None
    assert command.request_context == RequestContext(ip="127.0.0.1", user_agent="t")


async def test_placing_under_the_same_key_is_one_order(world: World) -> None:
    prepared, context = await world.prepared(), world.context()
    command = world.placing(prepared.id, prepared.version)
    assert await world.ordering.place(command, context) == await world.ordering.place(command, context)
    assert world.types().count("OrderPlaced.v1") == 1


async def test_of_two_hundred_calls_at_once_one_places_the_order(world: World) -> None:
    prepared = await world.prepared()
    command = world.placing(prepared.id, prepared.version)
    results = await all_of(*(world.ordering.place(command, world.context()) for _ in range(200)))
    assert len(succeeded(results)) == 1
    assert all(isinstance(each, StaleVersion | Conflict) for each in results if isinstance(each, Exception))
    assert world.types().count("OrderPlaced.v1") == 1


async def test_a_placed_order_is_not_placed_again(world: World) -> None:
    order = await world.placed()
    version = (await world.order(order)).version
    with pytest.raises(OrderNotInState):
        await world.ordering.place(world.placing(order, version), world.context())


async def test_other_terms_than_the_current_are_refused(world: World) -> None:
    prepared = await world.prepared()
    with pytest.raises(TermsVersionUnknown):
        await world.ordering.place(world.placing(prepared.id, prepared.version, terms_version="1999"), world.context())


async def test_an_unknown_order_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.ordering.place(world.placing(MEETING, 1), world.context())


async def test_an_account_restricted_meanwhile_places_nothing(world: World) -> None:
    prepared = await world.prepared()
    await world.accounts.restrict_self_service(ACCOUNT, RestrictionReason.PAYMENT_DISPUTE, world.context(OPERATOR))
    with pytest.raises(NotEligibleForSelfService):
        await world.ordering.place(world.placing(prepared.id, prepared.version), world.context())


async def test_an_expired_card_places_nothing(world: World) -> None:
    prepared = await world.prepared()
    changed = await world.ordering.change_payment_method(
        prepared.id, prepared.version, "tok_past_expiry", world.context()
    )
    with pytest.raises(NoAutomaticPaymentMethod):
        await world.ordering.place(world.placing(prepared.id, changed.version), world.context())


async def test_a_draft_that_outlived_its_quote_and_its_term_is_not_placed(world: World) -> None:
    prepared = await world.prepared()
    world.clock.move(timedelta(days=302))  # and no timer rang
    with pytest.raises(QuoteExpired):
        await world.ordering.place(world.placing(prepared.id, prepared.version), world.context())


async def test_seats_on_order_refuse_another_order(world: World) -> None:
    await world.placed()
    with pytest.raises(SeatChangePending):
        await world.quote()


async def test_placed_on_a_later_day_it_costs_no_more_than_quoted(world: World) -> None:
    prepared = await world.prepared()
    quoted = (await world.order(prepared.id)).totals
    world.clock.move(timedelta(days=10))
    await world.ordering.place(world.placing(prepared.id, prepared.version), world.context())
    placed = await world.order(prepared.id)
    assert placed.lines[0].net == 36480, "22800 x 2 x 292 / 365"
    assert placed.totals.gross < quoted.gross
    assert placed.state is OrderState.PLACED


async def test_a_sales_reps_quote_is_ordered_without_self_service_once_a_card_is_chosen(world: World) -> None:
    world = World()
    await world.customer(card=None)
    await world.accounts.restrict_self_service(ACCOUNT, RestrictionReason.INVOICE_BILLING, world.context(OPERATOR))
    offer = IssueQuote(ACCOUNT, (CartLine(MEETING, 2),), None, origin=QuoteOrigin.SALES_REP)
    quote = (await world.quoting.issue(offer, world.context(REP))).id
    prepared = await world.ordering.prepare(quote, world.context())
    with pytest.raises(NoAutomaticPaymentMethod) as refused:
        await world.ordering.place(world.placing(prepared.id, prepared.version), world.context())
    assert refused.value.reason == "none"
    chosen = await world.ordering.change_payment_method(prepared.id, prepared.version, "tok_visa", world.context())
    placed = await world.ordering.place(world.placing(prepared.id, chosen.version), world.context())
    assert (await world.order(prepared.id)).state is OrderState.PLACED
    assert str(placed.position) == f"{placed.position.partition}.{placed.position.position}"
