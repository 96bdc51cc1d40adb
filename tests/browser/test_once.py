"""Double click, back and again, two tabs on the way to an order: whatever is sent twice has one effect."""

import re

import pytest
from playwright.sync_api import expect

from adapters.seeding.companies import Company
from tests.browser.conftest import Customers, Visits
from tests.browser.labels import LABELS
from tests.browser.product import Product
from tests.browser.visitors import Visitor
from tests.browser.walk import Walk

ONE_ORDER = {"QuoteIssued": 1, "ServiceOrderPrepared": 1, "OrderPlaced": 1, "PaymentCaptured": 1, "ReceiptIssued": 1}


def _facts(product: Product, company: Company) -> dict[str, int]:
    """How often each of these happened to the account."""
    return {name: product.happened(company, name) for name in ONE_ORDER}


def _signed_in(visits: Visits, company: Company, *, script: bool = True) -> Visitor:
    visitor = visits(company.opening.language, script=script)
    visitor.sign_in(company)
    return visitor


@pytest.mark.parametrize("script", [True, False], ids=["script", "no_script"])
def test_every_button_of_the_walk_clicked_twice_is_one_order(
    visits: Visits, customer: Customers, product: Product, *, script: bool
) -> None:
    company = customer("de")
    visitor = _signed_in(visits, company, script=script)
    walk, page, said = Walk(visitor), visitor.page, LABELS["de"]
    walk.to_cart()
    walk.quantities.first.fill("2")
    for button, leads_to in (
        (said.save_cart, r"/portal/quotes/[0-9a-f-]{36}"),
        (said.to_payment, r"/payment"),
        (said.to_order, r"/review"),
        (said.place, r"/portal/orders/[0-9a-f-]{36}(\?|$)"),
    ):
        page.get_by_role("button", name=button, exact=True).dblclick()
        page.wait_for_url(re.compile(leads_to))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    product.until(company, walk.id, "Completed")
    assert _facts(product, company) == ONE_ORDER


def test_going_back_and_sending_a_form_again_places_no_second_order(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company = customer("de")
    visitor = _signed_in(visits, company)
    walk, page, said = Walk(visitor), visitor.page, LABELS["de"]
    walk.to_cart()
    walk.save_cart("2")
    walk.to_payment()
    page.go_back()
    walk.to_payment()
    walk.to_review()
    page.go_back()
    walk.to_review()
    order = walk.place()
    product.until(company, order, "Completed")
    page.go_back()
    again = page.get_by_role("button", name=said.place, exact=True)
    if again.is_visible():  # the browser kept the page as it was
        again.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("O-")
    page.reload()
    assert walk.path() == f"/portal/orders/{order}"
    assert _facts(product, company) == ONE_ORDER


def test_two_tabs_at_each_step_make_one_order_and_the_slower_one_is_told(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company, said = customer("de"), LABELS["de"]
    visitor = _signed_in(visits, company)
    first, second = Walk(visitor), Walk(visitor, visitor.tab())
    second.page.goto(first.page.url)
    for walk in (first, second):
        walk.to_cart()
    first.save_cart("2")
    second.quantities.first.fill("5")
    second.press(said.save_cart)
    expect(second.page.get_by_role("alert")).to_be_visible()
    expect(second.quantities.first).to_have_value("5")
    assert product.happened(company, "QuoteIssued") == 1

    second.page.goto(first.page.url)
    first.to_payment()
    second.to_payment()
    first.to_review("Jonas Keller", "jonas@example.com")
    second.page.get_by_label(said.name, exact=True).fill("Maria Vogel")
    second.page.get_by_label(said.email, exact=True).fill("maria@example.com")
    second.press(said.to_order)
    expect(second.page.get_by_role("alert")).to_be_visible()
    expect(second.page.get_by_label(said.name, exact=True)).to_have_value("Maria Vogel")
    assert product.happened(company, "OrderDetailsChanged") == 1

    second.page.goto(first.page.url)
    order = first.place()
    second.press(said.place)
    expect(second.page.get_by_role("heading", level=1)).to_contain_text("O-")
    product.until(company, order, "Completed")
    assert _facts(product, company) == ONE_ORDER
