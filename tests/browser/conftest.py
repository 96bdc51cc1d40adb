"""One running product and one Chromium for the session.

Playwright's loop runs in the session's thread, so these tests are never coroutines.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from adapters.seeding.companies import Company, companies
from tests.browser.behind import add_accounts, sized
from tests.browser.chromium import chromium, required
from tests.browser.product import Product
from tests.browser.visitors import Visitor

Visits = Callable[..., Visitor]
Customers = Callable[[str], Company]

BATCH = 15


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
def customer(product: Product) -> Customers:
    """Gives an account of a language that can order at once and that no test has had before."""
    numbers = itertools.count(30_001)
    free: dict[str, list[Company]] = {"de": [], "en": []}

    def following(language: str) -> Company:
        if not free[language]:
            new = [sized(f"A-{next(numbers)}", language, 2, product.now()) for _ in range(BATCH)]
            add_accounts(product.folder, *new)
            free[language] = new
        return free[language].pop()

    return following
