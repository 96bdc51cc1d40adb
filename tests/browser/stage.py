"""Where the gallery's stories are told, and what they show."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from playwright.sync_api import Page

from adapters.seeding.companies import Company
from tests.browser.product import Product
from tests.browser.visitors import Visitor
from tests.browser.walk import Walk

State = tuple[str, Page]
"""What the state is called, and the page that shows it."""


@dataclass(frozen=True)
class Stage:
    """Where stories are told. `sample`: the accounts by number; `visit` brings somebody in a new browser."""

    product: Product
    sample: Mapping[str, Company]
    language: str
    visit: Callable[[], Visitor]

    def company(self, german: str, english: str) -> Company:
        """The sample account that stands for the story in the language."""
        return self.sample[german if self.language == "de" else english]

    def signed_in(self, german: str, english: str) -> tuple[Walk, Company]:
        """Its billing admin, signed in."""
        company, visitor = self.company(german, english), self.visit()
        visitor.sign_in(company)
        return Walk(visitor), company


Story = Callable[[Stage], Iterator[State]]
"""Leads a visitor from state to state and names each when it is there."""
