"""`python -m tests.browser.screenshots FOLDER`: a picture of every page in every state, and an index of them."""

import base64
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page

from adapters.seeding.companies import companies
from tests.browser.behind import set_clock
from tests.browser.chromium import chromium, required
from tests.browser.gallery import STORIES
from tests.browser.product import Product
from tests.browser.stage import Stage
from tests.browser.visitors import HEIGHTS, NARROW, WIDE, Visitor

# The pages tell the same times on every day that the pictures are taken on.
NOW = datetime(2027, 3, 15, 9, tzinfo=UTC)
ALSO_NARROW = frozenset(
    [
        "subscriptions",
        "cart-filled",
        "cart-with-open-quote",
        "quote",
        "payment",
        "payment-wrong",
        "review",
        "order-under-way",
        "order-declined",
        "order-completed",
        "quotes",
        "orders",
        "timeline",
        "settings",
        "care",
        "trouble-no-such-page",
    ]
)
ALSO_DARK = frozenset(["subscriptions", "cart-with-open-quote", "payment-wrong", "order-under-way", "quotes", "care"])
TALLEST = 1800

# Chromium itself makes smaller WebP of its pictures: a tenth of their size as PNG.
_SMALLER = """
async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const scale = bitmap.width > 900 ? 0.7 : 0.9;
  const [width, height] = [bitmap.width, bitmap.height].map((each) => Math.round(each * scale));
  const canvas = new OffscreenCanvas(width, height);
  const paper = canvas.getContext("2d");
  paper.imageSmoothingQuality = "high";
  paper.drawImage(bitmap, 0, 0, width, height);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.4 })).arrayBuffer());
  let text = "";
  for (const each of bytes) text += String.fromCharCode(each);
  return btoa(text);
}
"""


class Album:
    """Pictures in a folder; `png`: keep them as they are taken, too, beside it."""

    def __init__(self, browser: Browser, folder: Path, png: Path | None) -> None:
        self.folder, self.png = folder, png
        self.names: list[str] = []
        self._darkroom = browser.new_page()

    def take(self, page: Page, language: str, state: str) -> None:
        """The page as it is, and narrow or dark where that tells more."""
        if state not in self.names:
            self.names.append(state)
        self._one(page, language, state)
        if state in ALSO_DARK:
            page.emulate_media(color_scheme="dark")
            self._one(page, language, f"{state}-dark")
            page.emulate_media(color_scheme="light")
        if state in ALSO_NARROW:
            page.set_viewport_size({"width": NARROW, "height": HEIGHTS[NARROW]})
            self._one(page, language, f"{state}-narrow")
            page.set_viewport_size({"width": WIDE, "height": HEIGHTS[WIDE]})

    def write_index(self, file: Path) -> None:
        """A page that shows them all."""
        lines = [
            "# The portal's pages",
            "",
            "Every page in every state, German left and English right, as `make screenshots` takes them with the",
            "sample accounts of `make run`. The states are those that the browser tests look at, in",
            "`tests/browser/gallery.py`.",
        ]
        for state in self.names:
            lines += ["", f"## {state.replace('-', ' ').capitalize()}", ""]
            for kind in ("", "-dark", "-narrow"):
                both = [Path(language) / f"{state}{kind}.webp" for language in ("de", "en")]
                there = [each for each in both if (self.folder / each).exists()]
                if there:
                    shown = [f"![{state}{kind}, {each.parent}]({self.folder.name}/{each})" for each in there]
                    lines += [" ".join(shown), ""]
            lines.pop()
        file.write_text("\n".join(lines).rstrip() + "\n", "utf-8")

    def _one(self, page: Page, language: str, name: str) -> None:
        wide, tall = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": wide, "height": min(tall, TALLEST)}
        png = page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")  # type: ignore[arg-type]
        if self.png:
            (self.png / f"{language}-{name}.png").write_bytes(png)
        smaller = self._darkroom.evaluate(_SMALLER, base64.b64encode(png).decode())
        path = self.folder / language / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(smaller))


@contextmanager
def _running() -> Iterator[Product]:
    folder = Path(tempfile.mkdtemp(prefix="seatledger-screenshots-"))
    set_clock(folder / "data", NOW)
    product = Product(folder)
    try:
        yield product
    finally:
        product.stop()
        shutil.rmtree(folder)


def main(docs: Path, png: Path | None = None) -> None:
    """Take them all anew."""
    folder = docs / "screenshots"
    shutil.rmtree(folder, ignore_errors=True)
    sample = {company.opening.number: company for company in companies(NOW)}
    with chromium(required()) as browser, _running() as product:
        album = Album(browser, folder, png)
        for language in ("de", "en"):
            for story in STORIES:
                visitors: list[Visitor] = []

                def visit(language: str = language, visitors: list[Visitor] = visitors) -> Visitor:
                    visitors.append(Visitor(browser, product.base, language))
                    return visitors[-1]

                for state, page in story(Stage(product, sample, language, visit)):
                    album.take(page, language, state)
                for each in visitors:
                    each.close()
        album.write_index(docs / "screenshots.md")


if __name__ == "__main__":
    main(*(Path(each) for each in sys.argv[1:]))
