"""One running product and one Chromium for the session.

Playwright's loop runs in the session's thread, so these tests are never coroutines.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from adapters.seeding.companies import Company, companies
from tests.browser.chromium import chromium, required
from tests.browser.product import Product
from tests.browser.visitors import Visitor

Visits = Callable[..., Visitor]
Customers = Callable[[str], Company]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium(required()) as started:
        yield started


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with its sample accounts; not where there is no browser to see it."""
    required()
    running = Product(tmp_path_factory.mktemp("product"))
    yield running
    running.stop()


@pytest.fixture
def visits(browser: Browser, product: Product) -> Iterator[Visits]:
    """Makes a visitor, as visitors.Visitor; what his browser complains about fails the test at its end."""
    made: list[Visitor] = []

    def visitor(*arguments: str | int, **more: bool) -> Visitor:
        made.append(Visitor(browser, product.base, *arguments, **more))  # type: ignore[arg-type]
        return made[-1]

    yield visitor
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def sample() -> dict[str, Company]:
    """The sample accounts by number."""
    return {company.opening.number: company for company in companies(datetime.now(UTC))}


@pytest.fixture(scope="session")
def customer(sample: dict[str, Company]) -> Customers:
    """Gives the next account of a language that can order at once and that no test has had before."""
    free = {language: iter(_unspoilt(sample, language)) for language in ("de", "en")}

    def following(language: str) -> Company:
        found = next(free[language], None)
        assert found, f"no sample account in {language} is left: reuse one, or add some"
        return found

    return following


def _unspoilt(sample: dict[str, Company], language: str) -> list[Company]:
    return [
        company
        for company in sample.values()
        if company.opening.language == language
        and company.restriction is None
        and company.open_quote is None
        and company.card in {"tok_visa", "tok_visa_debit", "tok_mastercard", "tok_amex"}
        and len(company.subscriptions) > 1
    ]
