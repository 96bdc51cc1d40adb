"""Debian's Chromium, driven as a person would; never a browser that playwright downloads."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # a container's /dev/shm may be too small for its pages
    "--font-render-hinting=none",  # screenshots look the same on every screen
    "--force-color-profile=srgb",
)


def required() -> str:
    """Where Chromium is. Skips, or fails where REQUIRE_BROWSER=1, if it isn't here."""
    found = shutil.which("chromium")
    if found:
        return found
    said = "not tried in a browser: there is no Chromium here (apt-get install chromium)"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(said)
    pytest.skip(said)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser without windows, which is gone at the end."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        try:
            yield started
        finally:
            started.close()
