"""The help article's steps as an admin goes them, by what stands on the pages."""

import re
from urllib.parse import urlsplit
from uuid import UUID

from playwright.sync_api import Page, expect

from tests.browser.labels import LABELS, Labels
from tests.browser.visitors import Visitor

_ID = re.compile(r"/(?:quotes|orders)/([0-9a-f-]{36})")


class Walk:
    """A visitor who is signed in, on his way from the subscriptions to the order."""

    def __init__(self, visitor: Visitor, page: Page | None = None) -> None:
        self.visitor = visitor
        self.page = page or visitor.page
        self.labels: Labels = LABELS[visitor.language]

    @property
    def id(self) -> UUID:
        """Of the quote or order that the page is about."""
        found = _ID.search(self.page.url)
        assert found, self.page.url
        return UUID(found[1])

    def to_cart(self) -> None:
        """From the subscriptions to the cart, with the first subscription that seats can be added to."""
        self.page.get_by_role("link", name=self.labels.subscriptions, exact=True).click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.labels.subscriptions)
        self.page.get_by_role("link", name=self.labels.add_seats).first.click()
        self.page.wait_for_url("**/cart?**")

    def with_another(self) -> None:
        """Put one more subscription into the cart."""
        self.page.get_by_role("button", name=self.labels.into_cart).click()
        expect(self.quantities).to_have_count(2)

    @property
    def quantities(self):  # type: ignore[no-untyped-def]
        """The fields New Seat Qty."""
        return self.page.get_by_label(self.labels.quantity, exact=True)

    def save_cart(self, *seats: str) -> None:
        """Type how many seats to add, and Save Cart and Review."""
        for number, each in enumerate(seats):
            self.quantities.nth(number).fill(each)
        self.press(self.labels.save_cart)
        self.page.wait_for_url(re.compile(r"/portal/quotes/[0-9a-f-]{36}"))

    def to_payment(self) -> None:
        """From the quote to the payment details."""
        self.press(self.labels.to_payment)
        self.page.wait_for_url("**/payment*")

    def to_review(self, name: str = "", email: str = "") -> None:
        """Name an admin contact if asked to, then on to the service order's review."""
        for label in (self.labels.admin_contact, self.labels.payment_method, self.labels.billing_address):
            expect(self.page.get_by_role("group", name=label)).to_be_visible()
        if name:
            self.page.get_by_label(self.labels.name, exact=True).fill(name)
            self.page.get_by_label(self.labels.email, exact=True).fill(email)
        self.press(self.labels.to_order)
        self.page.wait_for_url("**/review*")

    def other_card(self, last_four: str) -> None:
        """Choose another test card at the gateway's own page, from the payment details or an order."""
        self.press(self.labels.another_card)
        self.page.wait_for_url("**/sandbox/gateway/**")
        self.page.get_by_role("radio", name=re.compile(last_four)).check()
        self.page.get_by_role("button", name="Use this card").click()
        self.page.wait_for_url("**/portal/**")

    def place(self) -> UUID:
        """Place Service Order: the order's id, on whose page one is then."""
        self.press(self.labels.place)
        self.page.wait_for_url(re.compile(r"/portal/orders/[0-9a-f-]{36}(\?|$)"))
        return self.id

    def press(self, name: str) -> None:
        """Press the button of this name that can be seen."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def ordered(self, seats: str = "2") -> UUID:
        """All steps for one subscription."""
        self.to_cart()
        self.save_cart(seats)
        self.to_payment()
        self.to_review()
        return self.place()

    def path(self) -> str:
        """Where one is."""
        return urlsplit(self.page.url).path
