"""Signing in and out with a browser, in both languages, and what the pages around it look like to a machine."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Customers, Visits

GREETING = {"de": "Abonnements", "en": "Subscriptions"}
SIGN_OUT = {"de": "Abmelden", "en": "Sign out"}


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("language", ["de", "en"])
def test_an_admin_signs_in_at_the_provider_and_comes_to_his_subscriptions(
    visits: Visits, customer: Customers, language: str, *, script: bool
) -> None:
    company = customer(language)
    visitor = visits(language, script=script)
    visitor.sign_in(company)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(GREETING[language])
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    visitor.page.get_by_role("button", name=SIGN_OUT[language]).click()
    visitor.page.wait_for_url("**/sign-out")
    visitor.page.goto("/portal")
    assert re.search(r"/sandbox/identity/authorise", visitor.page.url), "it asks who one is"
