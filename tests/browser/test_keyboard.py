"""An order placed with the keyboard alone: every control can be reached, and one sees where one is."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Customers, Visits
from tests.browser.labels import LABELS
from tests.browser.product import Product
from tests.browser.walk import Walk

STEPS_AT_MOST = 60

_FOCUSED = """
() => {
  const each = document.activeElement;
  const style = getComputedStyle(each);
  return {
    name: each.getAttribute("aria-label") || each.labels?.[0]?.textContent.trim() || each.textContent.trim(),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    inside: each.getBoundingClientRect().width > 0,
  };
}
"""


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the control of this name has the focus."""
    passed = []
    for _ in range(STEPS_AT_MOST):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        passed.append(focused["name"])
        if re.match(name, focused["name"], re.IGNORECASE):
            assert focused["seen"], f"one does not see that {focused['name']} has the focus"
            assert focused["inside"]
            return
    pytest.fail(f"Tab does not come to {name}; it went over {passed}")


def _pressed(page: Page, name: str, leads_to: str) -> None:
    _tab_to(page, name)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(leads_to))


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_keyboard_alone_places_an_order(
    visits: Visits, customer: Customers, product: Product, language: str
) -> None:
    company, said = customer(language), LABELS[language]
    visitor = visits(language)
    page, walk = visitor.page, Walk(visitor)
    page.goto("/portal")
    _tab_to_person(page, company.opening.billing_contact.name)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#content", "the first stop skips to content"
    page.keyboard.press("Enter")
    _pressed(page, said.add_seats, "/cart")
    _tab_to(page, said.quantity)
    page.keyboard.type("none")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    _tab_to(page, ".*")
    page.keyboard.press("Enter")
    assert page.evaluate(_FOCUSED)["name"].startswith(said.quantity), "the summary leads to the field"
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    _pressed(page, said.save_cart, r"/portal/quotes/[0-9a-f-]{36}")
    _pressed(page, said.to_payment, "/payment")
    _pressed(page, said.to_order, "/review")
    _pressed(page, said.place, r"/portal/orders/[0-9a-f-]{36}(\?|$)")
    product.until(company, walk.id, "Completed")


def _tab_to_person(page: Page, name: str) -> None:
    """At the sandbox's provider, which lists everybody."""
    page.get_by_role("link", name=name, exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/**")
