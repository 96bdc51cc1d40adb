"""The help article's steps from signing in to the receipt: German and English, with script and without, any width."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Customers, Visits
from tests.browser.gallery import NO_PRICE
from tests.browser.labels import LABELS
from tests.browser.product import Product
from tests.browser.visitors import NARROW, WIDE
from tests.browser.walk import Walk


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no_script"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_an_admin_adds_seats_to_two_subscriptions_and_gets_the_receipt(
    visits: Visits, customer: Customers, product: Product, language: str, width: int, *, script: bool
) -> None:
    company, said = customer(language), LABELS[language]
    visitor = visits(language, width, script=script)
    visitor.sign_in(company)
    page, walk = visitor.page, Walk(visitor)
    for tab in (said.subscriptions, said.quotes, said.orders):
        expect(page.get_by_role("link", name=tab, exact=True)).to_be_visible()
    _must_fit(page)

    walk.to_cart()
    walk.with_another()
    walk.quantities.nth(0).fill("3")
    walk.quantities.nth(1).fill("1")
    if not script:
        walk.press(said.update_prices)
    first = page.locator("fieldset.line").first
    today = int(first.get_attribute("data-seats") or "")
    assert today in {each.seats for each in company.subscriptions}
    expect(first.get_by_text(said.sum.format(today, 3, today + 3))).to_be_visible()
    expect(page.locator("[data-sum=gross]")).not_to_have_text(NO_PRICE)
    previewed = _plain(page.locator("[data-sum=gross]").inner_text())
    _must_fit(page)

    walk.save_cart("3", "1")
    assert _plain(page.locator("tfoot tr.sum td").inner_text()) == previewed, "the cart said what the quote says"
    _must_fit(page)
    walk.to_payment()
    _must_fit(page)
    walk.to_review("Jonas Keller", f"jonas@{company.opening.number.lower()}.example")
    expect(page.get_by_text("Jonas Keller")).to_be_visible()
    _must_fit(page)
    order = walk.place()

    done = product.until(company, order, "Completed")
    assert [line["seats_to_add"] for line in done["lines"]] == [3, 1]
    if not script:
        page.get_by_role("link", name=said.newest_state).click()
    number = done["receipt_number"]
    expect(page.get_by_text(f"{said.receipt} {number}")).to_be_visible()
    expect(page.get_by_text(said.charged.format(previewed))).to_be_visible()
    _must_fit(page)
    mail = product.mail_to(company.opening.billing_contact.email, number)
    assert said.receipt.lower() in mail.subject.lower()
    assert previewed in _plain(mail.text), "the receipt says what the cart said"


def _must_fit(page: Page) -> None:
    """Nobody has to scroll sideways."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("innerWidth"), page.url


def _plain(text: str) -> str:
    """With ordinary spaces."""
    return " ".join(text.split())
