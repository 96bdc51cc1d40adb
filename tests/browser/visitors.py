"""Somebody with a browser of his own: signs in as a person does, and notes whatever a page does that it must not."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize

from adapters.seeding.companies import Company

NARROW, WIDE = 360, 1280
HEIGHTS = {NARROW: 780, WIDE: 900}
LOCALES = {"de": "de-DE", "en": "en-GB"}
PAGE_BYTES = 100_000

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
EVERYTHING = (*WCAG, "best-practice")
"""Kinds of axe-core's rules: what WCAG 2.2 AA asks and a program can see, and its authors' own advice."""

_WEIGHT = """
[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((each) => each.initiatorType !== "fetch").reduce((sum, each) => sum + each.decodedBodySize, 0)
"""
_EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|5\d\d)")


@dataclass
class Seen:
    """What a browser noticed that no page may cause."""

    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    unguarded: list[str] = field(default_factory=list)


class Visitor:
    """A browser profile: language, width, colour scheme, script or none. `page` is its first tab."""

    def __init__(
        self,
        browser: Browser,
        base: str,
        language: str = "de",
        width: int = WIDE,
        scheme: str = "light",
        *,
        script: bool = True,
    ) -> None:
        self.base, self.language, self.script = base, language, script
        self.seen = Seen()
        self.context: BrowserContext = browser.new_context(
            base_url=base,
            locale=LOCALES[language],
            timezone_id="Europe/Berlin",
            viewport=ViewportSize(width=width, height=HEIGHTS[width]),
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            java_script_enabled=script,
        )
        self.context.set_default_timeout(15_000)
        self.context.on("request", self._asked)
        self.context.on("response", self._answered)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.seen.complaints.append(str(error.error)))
        self.page = self.tab()

    def tab(self) -> Page:
        """One more tab of the same browser."""
        return self.context.new_page()

    def close(self) -> None:
        """Close all tabs, and fail for whatever was noticed in them."""
        self.context.close()
        assert self.seen.elsewhere == [], "a page asked another site for something"
        assert self.seen.complaints == [], "the browser complained about a page"
        assert self.seen.unguarded == [], "an answer came without its content security policy"

    def sign_in(self, company: Company) -> None:
        """Sign in as the company's billing admin and come to the portal."""
        self.sign_in_as(company.opening.billing_contact.name)

    def sign_in_as(self, name: str) -> None:
        """Sign in as this person, from the portal's own address."""
        self.page.goto("/portal")
        self.choose(self.page, name)

    def choose(self, page: Page, name: str) -> None:
        """Say at the identity provider who one is."""
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(re.compile(r"/(portal|signed-in)"))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.base + "/", "data:", "blob:")):
            self.seen.elsewhere.append(request.url)

    def _answered(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if "default-src 'none'" not in response.headers.get("content-security-policy", ""):
            self.seen.unguarded.append(path)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self.seen.complaints.append(message.text)


def barriers(page: Page, *kinds: str) -> list[str]:
    """What axe-core finds on the page by these rules, or all of these kinds: rule, how bad, and where.

    It needs a page whose script runs.
    """
    options = {"runOnly": [*kinds], "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{each['id']} ({each['impact']}): {_places(each['nodes'])}" for each in found]


def _places(nodes: list[dict[str, Any]]) -> str:
    return ", ".join(" ".join(map(str, node["target"])) for node in nodes[:4])


def weight(page: Page) -> int:
    """Bytes of the page and all that it has loaded, before compression."""
    return int(page.evaluate(_WEIGHT))
