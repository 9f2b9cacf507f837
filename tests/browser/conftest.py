"""One browser for all tests of pages."""

from __future__ import annotations

import pytest

from tests.browser.chromium import PROGRAM, Browser, program
from tests.browser.pages import PAGES, written


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if program() is None:
        pytest.skip(f"{PROGRAM} is not installed (make test-browser installs it, on Debian, as root)")
    with Browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Name -> path of the page."""
    return {name: written(name, tmp_path_factory.mktemp("page")) for name in PAGES}
