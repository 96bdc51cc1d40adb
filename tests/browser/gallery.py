"""Every page in every state that a visitor can see it in, as stories that are told once a language.

Each story leads a visitor from state to state and names each when it is there. The tests for barriers look at the
page then, and `make screenshots` takes its picture.
"""

import re
from collections.abc import Iterator
from typing import Final

from playwright.sync_api import expect

from adapters.payments.sandbox import TOKENS
from domain.identifiers import account_id, subscription_id
from tests.browser.behind import add_accounts, sized
from tests.browser.gallery_of_trouble import failing, gone_wrong, sign_in_failures
from tests.browser.stage import Stage, State, Story
from tests.browser.walk import Walk

NO_PRICE: Final = "\N{EN DASH}"
"""Where a price will be."""


def signing_in(stage: Stage) -> Iterator[State]:
    """The pages around signing in, those of other people's and no pages."""
    walk, _ = stage.signed_in("A-10015", "A-10029")
    page = walk.page
    yield "subscriptions-one", page
    page.goto("/signed-in")
    yield "signed-in", page
    page.goto("/portal/nowhere")
    yield "trouble-no-such-page", page
    foreign = stage.sample["A-10050"].opening.number
    page.goto(f"/portal/accounts/{account_id(foreign)}/subscriptions")
    yield "trouble-foreign-account", page
    page.goto("/sign-in/callback?state=old&code=old")
    yield "sign-in-again", page
    page.goto("/sign-in/callback")
    page.goto("/signed-in")
    page.locator("form[action='/sign-out'] button").click()
    page.wait_for_url("**/sign-out")
    yield "signed-out", page


def buying(stage: Stage) -> Iterator[State]:
    """The article's steps, with each form wrong once."""
    walk, company = stage.signed_in("A-10008", "A-10044")
    page, said = walk.page, walk.labels
    yield "subscriptions", page
    walk.to_cart()
    yield "cart", page
    walk.press(said.save_cart)
    expect(page.locator("#complaints")).to_be_visible()
    yield "cart-wrong", page
    walk.with_another()
    walk.quantities.nth(0).fill("3")
    walk.quantities.nth(1).fill("1")
    expect(page.locator("[data-sum=gross]")).not_to_have_text(NO_PRICE)
    yield "cart-filled", page
    walk.save_cart("3", "1")
    yield "quote", page
    quote = walk.id
    walk.to_cart()
    yield "cart-with-open-quote", page
    page.goto(f"/portal/quotes/{quote}")
    walk.to_payment()
    yield "payment", page
    page.get_by_label(said.name, exact=True).fill("Jonas Keller")
    page.get_by_label(said.email, exact=True).fill("jonas at example")
    page.get_by_label(said.street, exact=True).fill("")
    walk.press(said.to_order)
    expect(page.locator("#complaints")).to_be_visible()
    yield "payment-wrong", page
    page.get_by_label(said.email, exact=True).fill("jonas@example.com")
    page.get_by_label(said.street, exact=True).fill(company.opening.billing_address.street)
    walk.press(said.another_card)
    page.wait_for_url("**/sandbox/gateway/**")
    yield "gateway-card", page
    page.get_by_role("button", name="Use this card").click()
    page.wait_for_url("**/portal/**")
    yield "payment-new-card", page
    walk.to_review()
    yield "review", page
    page.get_by_role("textbox").fill("4242 4242 4242 4242")
    walk.press(said.place)
    expect(page.locator("#complaints")).to_be_visible()
    yield "review-wrong", page
    page.get_by_role("textbox").fill("PO-2026-114")
    stage.product.planned("provisioning.set_seats", "pause")
    order = walk.place()
    stage.product.until(company, order, "Authorised")
    page.goto(f"/portal/orders/{order}")
    expect(page.locator("ol.progress li").first).to_be_visible()
    yield "order-under-way", page
    page.goto(f"/portal/accounts/{account_id(company.opening.number)}/subscriptions")
    yield "subscriptions-on-order", page
    stage.product.unplanned("provisioning.set_seats")
    done = stage.product.until(company, order, "Completed")
    page.goto(f"/portal/orders/{order}")
    expect(page.get_by_text(done["receipt_number"])).to_be_visible()
    yield "order-completed", page
    page.goto(f"/portal/quotes/{quote}")
    yield "quote-accepted", page


def paying_otherwise(stage: Stage) -> Iterator[State]:
    """A card that is declined, a bank that wants to be asked, another card."""
    walk, company = stage.signed_in("A-10014", "A-10042")
    page = walk.page
    walk.to_cart()
    walk.save_cart("1")
    walk.to_payment()
    walk.other_card(TOKENS["tok_declined"].card.last_four)
    walk.to_review()
    order = walk.place()
    stage.product.until(company, order, "PaymentDeclined")
    page.goto(f"/portal/orders/{order}")
    yield "order-declined", page
    walk.other_card(TOKENS["tok_action_required"].card.last_four)
    yield "pay-again", page
    page.locator("button.main").click()
    page.wait_for_url(re.compile(r"/portal/orders/[0-9a-f-]{36}(\?|$)"))
    stage.product.until(company, order, "PaymentActionRequired")
    page.goto(f"/portal/orders/{order}")
    yield "order-action-required", page
    at_the_bank = page.locator("a[href*='/sandbox/bank/']").get_attribute("href")
    assert at_the_bank
    page.goto(at_the_bank)
    yield "bank", page
    page.get_by_role("button", name="This wasn't me").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not paid")
    yield "bank-refused", page
    stage.product.until(company, order, "PaymentDeclined")
    page.goto(f"/portal/orders/{order}/pay")
    page.locator("button.main").click()
    stage.product.until(company, order, "PaymentActionRequired")
    page.goto(f"/portal/orders/{order}")
    page.goto(page.locator("a[href*='/sandbox/bank/']").get_attribute("href") or "")
    page.get_by_role("button", name="Confirm the payment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirmed")
    yield "bank-confirmed", page


def without_self_service(stage: Stage) -> Iterator[State]:
    """Accounts that can't order at once: restricted, without a card, with an expired one."""
    walk, company = stage.signed_in("A-10003", "A-10036")
    yield "subscriptions-restricted", walk.page
    first = company.subscriptions[0].number
    walk.page.goto(f"/portal/accounts/{account_id(company.opening.number)}/cart?add={subscription_id(first)}")
    yield "cart-restricted", walk.page
    walk, _ = stage.signed_in("A-10019", "A-10043")
    walk.to_cart()
    yield "cart-no-card", walk.page
    walk, _ = stage.signed_in("A-10009", "A-10034")
    walk.to_cart()
    walk.quantities.first.fill("1")
    walk.press(walk.labels.save_cart)
    expect(walk.page.locator("#complaints")).to_be_visible()
    yield "cart-expired-card", walk.page


def open_quotes(stage: Stage) -> Iterator[State]:
    """A sales rep's quote in the way of a cart, and a quote that was replaced while somebody read it."""
    walk, _ = stage.signed_in("A-10004", "A-10028")
    page = walk.page
    yield "subscriptions-sales-quote", page
    walk.to_cart()
    walk.quantities.first.fill("1")
    walk.press(walk.labels.save_cart)
    expect(page.locator("#complaints")).to_be_visible()
    yield "cart-sales-quote-wrong", page
    old = page.locator("input[name=replaces]").input_value()
    page.locator("#acknowledge").check()
    walk.save_cart("1")
    page.goto(f"/portal/quotes/{old}")
    yield "quote-replaced", page


def sizes(stage: Stage) -> Iterator[State]:
    """No subscription, and 500; all accounts of a company's own service."""
    for number, subscriptions in ((f"A-2000{stage.language}", 0), (f"A-2500{stage.language}", 500)):
        company = sized(number.upper(), stage.language, subscriptions, stage.product.now())
        add_accounts(stage.product.folder, company)
        visitor = stage.visit()
        visitor.sign_in(company)
        yield f"subscriptions-{subscriptions}", visitor.page
        if subscriptions:
            Walk(visitor).to_cart()
            yield f"cart-of-{subscriptions}", visitor.page


def lists(stage: Stage) -> Iterator[State]:
    """Quotes, orders, history and settings: empty, then with something of each kind."""
    walk, company = stage.signed_in("A-10017", "A-10038")
    page, account = walk.page, account_id(company.opening.number)
    base = f"/portal/accounts/{account}"
    for name in ("quotes", "orders"):
        page.goto(f"{base}/{name}")
        yield f"{name}-empty", page
    replaced = stage.product.quoted(company, None)
    kept = stage.product.quoted(company, replaced)
    order = stage.product.placed(company, kept)
    stage.product.until(company, order, "Completed")
    declined = stage.product.quoted(company, None, 1)
    stage.product.commanded(company.login, f"quotes/{declined}/decline")
    opened = stage.product.quoted(company, None, 1)
    for name in ("quotes", "orders", "timeline", "settings"):
        page.goto(f"{base}/{name}")
        yield name, page
    page.goto(f"{base}/orders?show=drafts")
    yield "orders-of-a-kind-none", page
    page.goto(f"/portal/quotes/{opened}/decline")
    yield "quote-decline", page
    page.goto(f"/portal/quotes/{declined}")
    yield "quote-declined", page
    page.goto(f"{base}/settings")
    page.locator("form[action$='/contact'] #email").fill("nobody")
    page.locator("form[action$='/contact'] button.main").click()
    expect(page.locator("#complaints")).to_be_visible()
    yield "settings-wrong", page
    page.goto(f"{base}/payment-method")
    yield "account-card", page
    page.goto(f"/portal/orders/{order}/receipt")
    document = walk.visitor.tab()  # where the receipt itself is no script may run, a test's neither
    document.set_content(page.content())
    yield "receipt", document


def account_services(stage: Stage) -> Iterator[State]:
    """What Corporate Account Services sees and may do, each act as far as the page that says what it will do."""
    company, product, visitor = stage.company("A-10024", "A-10047"), stage.product, stage.visit()
    page, account = visitor.page, account_id(company.opening.number)
    order = product.placed(company, product.quoted(company, None))
    product.until(company, order, "Completed")
    product.planned("provisioning.set_seats", "reject")
    rejected = product.placed(company, product.quoted(company, None, 1))
    product.until(company, rejected, "PartlyProvisioned", "Completed", "Cancelled")
    product.planned("provisioning.set_seats", "pause")
    waiting = product.placed(company, product.quoted(company, None, 1))
    product.until(company, waiting, "Authorised")
    visitor.sign_in_as("Sabine Vogt")
    yield "accounts-of-staff", page
    page.goto("/portal/accounts?named=A-99999")
    yield "accounts-of-staff-none", page
    for name in ("overview", "eligibility"):
        page.goto(f"/portal/accounts/{account}/{name}")
        yield name, page
    page.goto("/portal/care")
    yield "care", page
    page.locator("li.panel").filter(has_text=company.opening.number).locator("a[href$='/close']").first.click()
    page.wait_for_url("**/close")
    yield "care-close", page
    page.goto(f"/portal/orders/{order}/events")
    yield "order-events", page
    for act, id in (("cancel", waiting), ("release", waiting), ("refund", order), ("resend", order)):
        page.goto(f"/portal/orders/{id}/{act}")
        yield f"order-{act}", page
        if act == "refund":
            page.get_by_role("combobox").select_option(index=1)
            page.locator("button.main").click()
            expect(page.locator("button[value=do]")).to_be_visible()
            yield "order-refund-said", page
    product.unplanned("provisioning.set_seats")
    product.until(company, waiting, "Completed")


def sales(stage: Stage) -> Iterator[State]:
    """A sales rep's quote with prices of its own."""
    company, visitor = stage.company("A-10023", "A-10032"), stage.visit()
    visitor.sign_in_as("Jörg Brandt" if stage.language == "de" else "Claire Dubois")
    page = visitor.page
    page.goto(f"/portal/accounts/{account_id(company.opening.number)}/offer")
    yield "offer", page
    page.locator("input[name^=seats]").first.fill("many")
    page.locator("button.main").click()
    expect(page.locator("#complaints")).to_be_visible()
    yield "offer-wrong", page
    page.locator("input[name^=seats]").first.fill("5")
    page.locator("button.main").click()
    expect(page.locator("tr.sum")).to_be_visible()
    yield "offer-priced", page


DOCUMENTS: Final = frozenset({"receipt"})
"""States that show what is mailed: read in any program, it has no landmarks of a page."""

STORIES: Final[tuple[Story, ...]] = (
    signing_in,
    buying,
    paying_otherwise,
    without_self_service,
    open_quotes,
    lists,
    account_services,
    sales,
    sizes,
    sign_in_failures,
    failing,
    gone_wrong,  # the last: it moves the clock on
)
