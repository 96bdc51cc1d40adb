"""Every form beside the way to an order, clicked twice without script: one effect, by the ledger's own count."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from adapters.payments.card_form import SANDBOX_TOKEN
from adapters.seeding.companies import Company
from domain.identifiers import account_id, subscription_id
from tests.browser.conftest import Customers, Visits
from tests.browser.product import Product
from tests.browser.visitors import Visitor

Opened = Callable[[Visitor, Product, Company], str]
"""Brings the visitor to the form and fills it in: the button that sends it."""

ADMIN, CARE, SALES = "", "Sabine Vogt", "Jörg Brandt"
BUTTON = "main button:is(.main, .danger)"


def _account(company: Company) -> str:
    return f"/portal/accounts/{account_id(company.opening.number)}"


def _stuck(company: Company) -> str:
    """Where the provisioning of the account's first seats can be held up."""
    return f"provisioning.set_seats:{subscription_id(company.subscriptions[0].number)}"


def _ordered(product: Product, company: Company, state: str) -> str:
    order = product.placed(company, product.quoted(company, None))
    product.until(company, order, state)
    return order


def _declined(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"/portal/quotes/{product.quoted(company, None)}/decline")
    return BUTTON


def _locale_changed(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/settings")
    visitor.page.locator("#time_zone").select_option("Europe/Lisbon")
    return "form[action$='/locale'] button.main"


def _contact_changed(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/settings")
    visitor.page.locator("form[action$='/contact'] #name").fill("Maria Vogel")
    return "form[action$='/contact'] button.main"


def _address_changed(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/settings")
    visitor.page.locator("form[action$='/address'] #street").fill("Uferweg 12")
    return "form[action$='/address'] button.main"


def _card_saved(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/payment-method?{SANDBOX_TOKEN}=tok_mastercard")
    return BUTTON


def _refused_order(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/payment-method?{SANDBOX_TOKEN}=tok_declined")
    visitor.page.locator(BUTTON).click()
    expect(visitor.page.locator(BUTTON)).to_have_count(0)
    return _ordered(product, company, "PaymentDeclined")


def _paid_with_another_card(visitor: Visitor, product: Product, company: Company) -> str:
    order = _refused_order(visitor, product, company)
    visitor.page.goto(f"/portal/orders/{order}/pay?{SANDBOX_TOKEN}=tok_visa")
    return BUTTON


def _paid_with_the_same_card(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"/portal/orders/{_refused_order(visitor, product, company)}")
    return "form[action$='/pay'] button"


def _restricted(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/eligibility")
    visitor.page.locator("input[value=invoice_billing]").check()
    return BUTTON


def _refunded(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"/portal/orders/{_ordered(product, company, 'Completed')}/refund")
    visitor.page.get_by_role("combobox").select_option(index=1)
    visitor.page.locator(BUTTON).click()
    visitor.page.wait_for_selector("button[value=do]")
    return "button[value=do]"


def _called_off(visitor: Visitor, product: Product, company: Company) -> str:
    product.planned(_stuck(company), "pause")
    visitor.page.goto(f"/portal/orders/{_ordered(product, company, 'Authorised')}/cancel")
    visitor.page.get_by_role("combobox").select_option(index=1)
    return BUTTON


def _released(visitor: Visitor, product: Product, company: Company) -> str:
    product.planned(_stuck(company), "pause")
    visitor.page.goto(f"/portal/orders/{_ordered(product, company, 'Authorised')}/release")
    return BUTTON


def _sent_order(product: Product, company: Company) -> str:
    order = _ordered(product, company, "Completed")
    product.until_happened(company, "ReceiptSent")
    return order


def _resent(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"/portal/orders/{_sent_order(product, company)}/resend")
    return BUTTON


def _asked_for_again(visitor: Visitor, product: Product, company: Company) -> str:
    visitor.page.goto(f"/portal/orders/{_sent_order(product, company)}")
    return "form[action$='/receipt'] button"


def _offered(visitor: Visitor, _: Product, company: Company) -> str:
    visitor.page.goto(f"{_account(company)}/offer")
    visitor.page.locator("input[name^=seats]").first.fill("5")
    visitor.page.locator(BUTTON).click()
    visitor.page.wait_for_selector("button[value=issue]")
    return "button[value=issue]"


def _closed(visitor: Visitor, product: Product, company: Company) -> str:
    product.planned(_stuck(company), "reject")
    order = _ordered(product, company, "Cancelled")
    visitor.page.goto(f"/portal/orders/{order}/care/seats_rejected/close")
    return BUTTON


@pytest.mark.parametrize(
    ("opened", "who", "event"),
    [
        (_declined, ADMIN, "QuoteDeclined"),
        (_locale_changed, ADMIN, "AccountLocaleChanged"),
        (_contact_changed, ADMIN, "BillingContactChanged"),
        (_address_changed, ADMIN, "BillingAddressChanged"),
        (_card_saved, ADMIN, "PaymentMethodSelected"),
        (_paid_with_another_card, ADMIN, "PaymentAttemptStarted"),
        (_paid_with_the_same_card, ADMIN, "PaymentAttemptStarted"),
        (_asked_for_again, ADMIN, "ReceiptResendRequested"),
        (_restricted, CARE, "SelfServiceRestricted"),
        (_refunded, CARE, "RefundRequested"),
        (_called_off, CARE, "OrderCancellationRequested"),
        (_released, CARE, "OrderLineRejected"),
        (_resent, CARE, "ReceiptResendRequested"),
        (_closed, CARE, "CareEntryClosed"),
        (_offered, SALES, "QuoteIssued"),
    ],
    ids=lambda given: given.__name__.strip("_") if callable(given) else given.partition(" ")[0] or "Admin",
)
def test_the_button_of_any_other_form_clicked_twice_without_script_has_one_effect(
    visits: Visits, customer: Customers, product: Product, opened: Opened, who: str, event: str
) -> None:
    company = customer("en")
    visitor = visits("en", script=False)
    visitor.sign_in_as(who or company.opening.billing_contact.name)
    button = visitor.page.locator(opened(visitor, product, company))
    before = product.happened(company, event)
    try:
        button.dblclick()
        product.until_happened(company, event, before + 1)
    finally:
        product.unplanned(_stuck(company))
    assert product.happens(company, event) == before + 1
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    expect(visitor.page.get_by_role("alert")).to_have_count(0)
