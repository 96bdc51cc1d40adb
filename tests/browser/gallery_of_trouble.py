"""The gallery's stories of what goes wrong: signing in, the service itself, and orders that nobody wished for."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from adapters.identity.sandbox import Person
from adapters.payments.card_form import SANDBOX_TOKEN
from domain.envelope import Role
from domain.identifiers import account_id, subscription_id
from tests.browser.behind import admit
from tests.browser.stage import Stage, State

NOBODY: Final = Person(login="neva.newcomer", id="p-0123456789ab", name="Neva Newcomer", role=Role.BILLING_ADMIN)
"""Can sign in, and sees no account."""


def _at_the_provider(page: Page) -> str:
    """Where one says who one is: what its answer is recognised by."""
    page.goto("/portal")
    return parse_qs(urlsplit(page.url).query)["state"][0]


def sign_in_failures(stage: Stage) -> Iterator[State]:
    """Every way in which signing in, or out, does not work."""
    company, visitor = stage.company("A-10015", "A-10029"), stage.visit()
    page, name = visitor.page, company.opening.billing_contact.name
    state = _at_the_provider(page)
    yield "identity-provider", page
    page.goto(f"/sign-in/callback?state={state}&error=access_denied")
    yield "sign-in-broken-off", page
    page.goto(f"/sign-in/callback?state={_at_the_provider(page)}&code=of-nobody")
    yield "sign-in-no-access", page
    admit(stage.product.folder, NOBODY)
    _at_the_provider(page)
    page.get_by_role("link", name=NOBODY.name, exact=True).click()
    page.wait_for_url("**/sign-in/callback?**")
    yield "sign-in-no-account", page
    _at_the_provider(page)
    chosen = page.get_by_role("link", name=name, exact=True).get_attribute("href")
    granted = page.request.get(f"{visitor.base}{chosen}", max_redirects=0)
    # The provider stumbles over its own books when it is asked for the token.
    stage.product.execute("UPDATE sandbox.books SET document = '{\"torn\": true}' WHERE book = 'identity.codes'")
    page.goto(granted.headers["location"])
    yield "sign-in-provider-away", page
    visitor.sign_in(company)
    page.goto("/signed-in")
    page.evaluate("document.querySelector('main input[name=csrf_token]').value = 'of another page'")
    page.locator("main form button").click()
    page.wait_for_url("**/sign-out-everywhere")
    yield "sign-out-not-ours", page


def failing(stage: Stage) -> Iterator[State]:
    """A fault of ours, a partner that is away, and a session that ends in mid-form."""
    walk, company = stage.signed_in("A-10010", "A-10030")
    page, base = walk.page, f"/portal/accounts/{account_id(company.opening.number)}"
    with stage.product.broken("portal.subscriptions"):
        page.reload()
    yield "trouble-our-fault", page
    card = f"{base}/payment-method?{SANDBOX_TOKEN}=tok_visa"
    stage.product.planned("payments.card", "unavailable")
    page.goto(card)
    yield "trouble-partner-away", page
    page.goto(card)
    stage.product.planned("payments.card", "unavailable")
    page.locator("main button.main").click()
    expect(page.locator("section.trouble form")).to_be_visible()
    yield "trouble-partner-away-form", page
    page.locator("section.trouble form button").click()
    expect(page.locator("section.trouble")).to_have_count(0)
    page.goto(f"{base}/settings")
    page.locator("form[action$='/address'] #street").fill("Uferweg 12")
    stage.product.execute("UPDATE ledger.sessions SET seen_at = seen_at - interval '31 minutes'")
    page.locator("form[action$='/address'] button.main").click()
    expect(page.locator("section.trouble form")).to_be_visible()
    yield "session-ended", page


def gone_wrong(stage: Stage) -> Iterator[State]:
    """An order that comes in part, one that is late, what Corporate Account Services sees of them, and its end."""
    walk, company = stage.signed_in("A-10020", "A-10046")
    page, product = walk.page, stage.product
    first, second = (str(subscription_id(each.number)) for each in company.subscriptions[:2])
    product.planned(f"provisioning.set_seats:{second}", "reject")
    product.planned("payments.capture", "pause")
    order = product.placed(company, product.quoted(company, None, subscriptions=2))
    product.until(company, order, "PartlyProvisioned")
    page.goto(f"/portal/orders/{order}")
    yield "order-partly-provisioned", page
    product.unplanned("payments.capture")
    product.until(company, order, "Completed")
    page.goto(f"/portal/orders/{order}")
    yield "order-completed-in-part", page
    stuck = f"provisioning.set_seats:{first}"
    product.planned(stuck, "pause")
    order = product.placed(company, product.quoted(company, None))
    product.until(company, order, "Authorised")
    page.goto(f"/portal/orders/{order}")
    product.pass_hours(25)
    product.until_happened(company, "OrderOverdue")
    expect(page.locator("#late")).to_be_visible()
    yield "order-overdue", page
    staff = stage.visit()
    staff.sign_in_as("Sabine Vogt")
    staff.page.goto("/portal/care")
    entries = staff.page.locator("li.panel").filter(has_text=company.opening.number)
    expect(entries).to_have_count(2)
    yield "care-late-and-refused", staff.page
    product.commanded("sabine.vogt", f"orders/{order}/release", {"subscription_id": first})
    product.until_happened(company, "SeatChangeReleased")
    product.unplanned(stuck)  # and only now the old call comes through
    product.until(company, order, "Cancelled")
    page.goto(f"/portal/orders/{order}")
    expect(page.locator("#late")).to_have_count(0)  # nobody waits any more
    yield "order-cancelled", page
    staff.page.goto(f"/portal/orders/{order}/events")
    yield "order-events-cancelled", staff.page
