"""axe-core on every page and state, in both languages and colour schemes; and what each page weighs."""

import pytest

from adapters.seeding.companies import Company
from tests.browser.conftest import Visits
from tests.browser.gallery import DOCUMENTS, STORIES
from tests.browser.product import Product
from tests.browser.stage import Stage, Story
from tests.browser.visitors import EVERYTHING, PAGE_BYTES, WCAG, barriers, weight


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_nothing_on_any_page_keeps_somebody_out_and_no_page_is_heavy(
    product: Product, sample: dict[str, Company], visits: Visits, story: Story, language: str
) -> None:
    found: list[str] = []
    for state, page in story(Stage(product, sample, language, lambda: visits(language))):
        found += [f"{state}: {each}" for each in barriers(page, *(WCAG if state in DOCUMENTS else EVERYTHING))]
        page.emulate_media(color_scheme="dark")
        found += [f"{state}, dark: {each}" for each in barriers(page, "color-contrast")]
        page.emulate_media(color_scheme="light")
        took = weight(page)
        found += [f"{state}: {took:,} bytes"] if took > PAGE_BYTES else []
    assert found == []
