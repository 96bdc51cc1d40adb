"""What a person meets when something goes wrong: plain words, help, a reference, and nothing typed is lost."""

import re

import pytest
from playwright.sync_api import expect

from domain.identifiers import account_id, subscription_id
from tests.browser.conftest import Customers, Visits
from tests.browser.labels import LABELS
from tests.browser.product import Product
from tests.browser.walk import Walk

REFERENCE = re.compile(r"\b[0-9a-f]{10}\b")
HELP = "Corporate Account Services"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no_script"])
def test_a_session_that_ends_in_mid_form_loses_nothing_of_what_was_typed(
    visits: Visits, customer: Customers, product: Product, *, script: bool
) -> None:
    company, said = customer("de"), LABELS["de"]
    visitor = visits("de", script=script)
    visitor.sign_in(company)
    walk, page = Walk(visitor), visitor.page
    walk.to_cart()
    walk.save_cart("2")
    walk.to_payment()
    page.get_by_label(said.name, exact=True).fill("Jonas Keller")
    page.get_by_label(said.email, exact=True).fill("jonas@example.com")
    product.execute("UPDATE ledger.sessions SET seen_at = seen_at - interval '31 minutes'")
    walk.press(said.to_order)
    expect(page.get_by_role("heading", level=1)).to_have_text("Ihre Sitzung ist beendet")
    with visitor.context.expect_page() as opened:
        page.get_by_role("link", name=re.compile("^Anmelden")).click()
    visitor.choose(opened.value, company.opening.billing_contact.name)
    opened.value.close()
    walk.press("Mit Ihren Angaben weitermachen")
    expect(page.get_by_label(said.name, exact=True)).to_have_value("Jonas Keller")
    expect(page.get_by_label(said.email, exact=True)).to_have_value("jonas@example.com")
    walk.press(said.to_order)
    page.wait_for_url("**/review*")
    expect(page.get_by_text("Jonas Keller")).to_be_visible()


def test_a_quote_that_is_replaced_while_somebody_reads_it_says_by_which(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company, said = customer("de"), LABELS["de"]
    visitor = visits("de")
    visitor.sign_in(company)
    walk, page = Walk(visitor), visitor.page
    walk.to_cart()
    walk.save_cart("2")
    quote = walk.id
    line = {"subscription_id": str(subscription_id(company.subscriptions[0].number)), "seats_to_add": 1}
    account = account_id(company.opening.number)
    other = product.commanded(company.login, f"accounts/{account}/quotes", {"lines": [line], "replaces": str(quote)})
    walk.press(said.to_payment)
    link = page.locator("main").get_by_role("link", name=re.compile("ersetzt"))
    expect(link).to_be_visible()
    link.click()
    page.wait_for_url(f"**/portal/quotes/{other['id']}*")
    expect(page.get_by_role("heading", level=1)).to_contain_text(other["number"])


@pytest.mark.parametrize("language", ["de", "en"])
def test_unknown_pages_and_foreign_accounts_look_alike_and_name_help_and_a_reference(
    visits: Visits, customer: Customers, product: Product, language: str
) -> None:
    company, stranger = customer(language), customer("de" if language == "en" else "en")
    visitor = visits(language)
    visitor.sign_in(company)
    page = visitor.page
    said = set()
    for path in (
        "/portal/nowhere",
        f"/portal/accounts/{account_id(stranger.opening.number)}/subscriptions",
        f"/portal/accounts/{account_id(stranger.opening.number)}/cart",
        "/portal/quotes/00000000-0000-5000-8000-000000000001",
        "/portal/orders/nonsense",
    ):
        answer = page.goto(path)
        assert answer
        assert answer.status == 404, path
        text = page.locator("main").inner_text()
        reference = REFERENCE.search(text)
        assert reference, text
        assert HELP in text
        assert reference[0] in product.logged()
        said.add(text.replace(reference[0], ""))
    assert len(said) == 1, "whether an account exists is nobody else's business"


def test_a_failure_of_ours_is_a_page_with_a_reference_that_is_in_the_log_with_its_cause(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company = customer("de")
    visitor = visits("de")
    visitor.sign_in(company)
    page = visitor.page
    with product.broken("portal.subscriptions"):
        answer = page.reload()
    assert answer
    assert answer.status == 500
    text = page.locator("main").inner_text()
    reference = REFERENCE.search(text)
    assert reference
    assert HELP in text
    assert "Traceback" not in text
    logged = product.logged()
    assert "UndefinedTable" in logged[logged.index(reference[0]) :], logged[-3000:]
    page.get_by_role("link", name="Seite neu laden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Abonnements")


def test_a_gateway_that_does_not_answer_is_said_and_the_form_can_be_sent_again(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company, said = customer("de"), LABELS["de"]
    visitor = visits("de")
    visitor.sign_in(company)
    walk, page = Walk(visitor), visitor.page
    walk.to_cart()
    walk.save_cart("2")
    walk.to_payment()
    page.get_by_label(said.name, exact=True).fill("Jonas Keller")
    page.get_by_label(said.email, exact=True).fill("jonas@example.com")
    walk.other_card("4444")
    product.planned("payments.card", "unavailable", times=1)
    walk.press(said.to_order)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if not page.url.endswith("/review"):
        assert HELP in page.locator("main").inner_text() or page.get_by_role("alert").is_visible()
        page.locator("main button.main, main button").first.click()
    page.wait_for_url("**/review*")
    expect(page.get_by_text("Jonas Keller")).to_be_visible()
