"""Markup typed into any field is shown as the text that it is, and nothing of it runs."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from adapters.seeding.companies import Company
from domain.identifiers import account_id
from tests.browser.conftest import Customers, Visits
from tests.browser.labels import LABELS
from tests.browser.product import Product
from tests.browser.walk import Walk

ATTACK = "<script>document.title='broken'</script><img src=x onerror=alert(1)>"
QUOTES = f"""\">'>{ATTACK}"""
"""The same from inside an attribute, whichever quotes are around it."""

_AS_AN_ATTACKER = """
for (const each of document.querySelectorAll("main input")) {
  each.removeAttribute("maxlength");
  if (["date", "email", "tel"].includes(each.type)) each.type = "text";
}
for (const each of document.querySelectorAll("main option, main input[type=radio]")) each.value = given;
"""
"""The browser's own checks are gone, and every choice sends what is given."""


def _no_dialogue(page: Page) -> None:
    def opened(_: object) -> None:
        pytest.fail("a script that was typed into a field ran")

    page.on("dialog", opened)


def _without_checks(page: Page) -> None:
    page.evaluate(f"(given) => {{{_AS_AN_ATTACKER}}}", QUOTES)


def _harmless(page: Page) -> None:
    """Nothing typed became a part of the page: not even what its content security policy would keep from running."""
    expect(page.locator("main script, main img, [onerror]")).to_have_count(0)
    assert "broken" not in page.title().lower()


def _filled(fields: Locator) -> int:
    """Type it into each of them: how many they are."""
    for field in fields.all():
        field.fill(QUOTES)
    return fields.count()


def _kept(fields: Locator) -> None:
    """They say what was typed."""
    for field in fields.all():
        expect(field).to_have_value(QUOTES)


def test_markup_in_every_text_field_is_shown_as_the_text_it_is(
    visits: Visits, customer: Customers, product: Product
) -> None:
    company, said = customer("en"), LABELS["en"]
    visitor = visits("en")
    visitor.sign_in(company)
    walk, page = Walk(visitor), visitor.page
    _no_dialogue(page)
    walk.to_cart()
    walk.quantities.first.fill(ATTACK[:12])
    walk.press(said.save_cart)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(walk.quantities.first).to_have_value(ATTACK[:12])
    walk.save_cart("2")
    walk.to_payment()
    fields = page.locator("main input[type=text], main input[type=email], main input[type=tel]")
    for number in range(fields.count()):
        fields.nth(number).fill(ATTACK)
    typed = [fields.nth(number).input_value() for number in range(fields.count())]
    walk.press(said.to_order)
    expect(page.get_by_role("alert")).to_be_visible()
    assert [fields.nth(number).input_value() for number in range(fields.count())] == typed
    page.get_by_label(said.email, exact=True).fill("jonas@example.com")
    page.locator("#phone").fill("")
    page.locator("#postal_code").fill("69002")
    walk.press(said.to_order)
    page.wait_for_url("**/review*")
    expect(page.get_by_text(ATTACK).first).to_be_visible()
    page.get_by_role("textbox").fill(ATTACK[:30])
    order = walk.place()
    product.until(company, order, "Completed")
    page.goto(f"/portal/orders/{order}")
    expect(page.get_by_text(ATTACK).first).to_be_visible()
    expect(page.get_by_text(ATTACK[:30], exact=True)).to_be_visible()
    page.goto(f"/portal/orders/{order}/receipt")
    expect(page.get_by_text(ATTACK[:30]).first).to_be_visible()
    assert "broken" not in page.title()


def test_markup_in_the_settings_is_text_there_and_wherever_the_account_is_shown(
    visits: Visits, customer: Customers
) -> None:
    company = customer("en")
    visitor, base = visits("en"), f"/portal/accounts/{account_id(company.opening.number)}"
    visitor.sign_in(company)
    page = visitor.page
    _no_dialogue(page)
    for form, texts, mended in (
        ("contact", 3, {"email": "jonas@example.com", "phone": ""}),
        ("address", 4, {"postal_code": "50674"}),
    ):
        page.goto(f"{base}/settings")
        _without_checks(page)
        fields = page.locator(f"form[action$='/{form}'] input:not([type=hidden])")
        assert _filled(fields) == texts
        button = page.locator(f"form[action$='/{form}'] button.main")
        button.click()
        expect(page.get_by_role("alert")).to_be_visible()
        _kept(fields)
        _harmless(page)
        for name, text in mended.items():
            page.locator(f"#{name}").fill(text)
        if form == "address":
            page.locator("#country").select_option("DE")
        button.click()
        page.wait_for_url(f"**{base}/settings*")
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(fields.first).to_have_value(QUOTES)
        _harmless(page)
    page.goto(f"{base}/settings")
    _without_checks(page)
    page.locator("form[action$='/locale'] button.main").click()
    expect(page.get_by_role("alert")).to_be_visible()
    _harmless(page)
    staff = visits("en")
    staff.sign_in_as("Sabine Vogt")
    _no_dialogue(staff.page)
    staff.page.goto(f"{base}/overview")
    expect(staff.page.get_by_text(QUOTES).first).to_be_visible()
    _harmless(staff.page)


def _offer(_: Product, company: Company) -> str:
    return f"accounts/{account_id(company.opening.number)}/offer"


def _eligibility(_: Product, company: Company) -> str:
    return f"accounts/{account_id(company.opening.number)}/eligibility"


def _refund(product: Product, company: Company) -> str:
    order = product.placed(company, product.quoted(company, None))
    product.until(company, order, "Completed")
    return f"orders/{order}/refund"


SALES, CARE = "Jörg Brandt", "Sabine Vogt"


@pytest.mark.parametrize(
    ("path", "who", "texts"),
    [(_offer, SALES, 5), (_eligibility, CARE, 0), (_refund, CARE, 1)],
    ids=["offer", "eligibility", "refund"],
)
def test_markup_in_the_fields_and_choices_of_staff_is_refused_beside_them_as_text(
    visits: Visits, customer: Customers, product: Product, path: Callable[[Product, Company], str], who: str, texts: int
) -> None:
    company = customer("en")
    visitor = visits("en")
    visitor.sign_in_as(who)
    page = visitor.page
    _no_dialogue(page)
    page.goto(f"/portal/{path(product, company)}")
    _without_checks(page)
    fields = page.locator("main input:not([type=hidden]):not([type=radio])")
    assert _filled(fields) == texts
    if page.get_by_role("combobox").count():
        page.get_by_role("combobox").select_option(index=1)
    page.locator("main button.main").click()
    expect(page.get_by_role("alert")).to_be_visible()
    for field in page.locator("main input:not([type=hidden]):not([type=radio]):not([type=date])").all():
        expect(field).to_have_value(QUOTES)
    _harmless(page)


def test_markup_that_staff_looks_for_is_text_in_the_fields_of_the_search(visits: Visits) -> None:
    visitor = visits("en")
    visitor.sign_in_as(CARE)
    page = visitor.page
    _no_dialogue(page)
    page.goto("/portal/accounts")
    fields = page.locator("main input")
    for field in fields.all():
        field.fill(QUOTES[:60])
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/accounts?**")
    for field in fields.all():  # account numbers are looked for in capitals
        expect(field).to_have_value(re.compile(re.escape(QUOTES[:60]), re.IGNORECASE))
    _harmless(page)
