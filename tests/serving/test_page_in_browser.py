"""The page in a real browser: it answers, explains and classifies a column, by keyboard, on a phone, in the dark."""

import re
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.report.test_page_in_browser import _FLAGS, _LOW_CONTRAST

pytestmark = pytest.mark.browser

KEY = "a-key-of-more-than-sixteen-letters"
NASTY = '<img src=x onerror="alert(1)"> 😀 "정말" 좋았다'


@pytest.fixture(scope="module")
def address(serving):
    return serving()


@pytest.fixture(scope="module")
def browser(address):
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("Chromium is absent")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    pages = []

    def open_page(address, *, width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.complaints, page.requested = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(address)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()


def test_a_text_is_classified_and_its_tokens_are_tinted(address, opened, predictor):
    page = opened(address)
    page.get_by_role("heading", name="tiny").wait_for()
    page.get_by_label("Text to classify").fill(NASTY)
    page.get_by_role("button", name="Classify", exact=True).click()
    page.locator("#tokens mark").first.wait_for()
    prediction = predictor.predict([NASTY])[0]
    assert page.locator("#verdict").inner_text().startswith(prediction.labels[0])
    shares = [float(text.split()[0]) for text in page.locator("#bars .number").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)
    widths = [bar.bounding_box()["width"] for bar in page.locator("#bars .bar").all()]
    assert widths[0] > 0
    assert page.locator("#tokens").text_content() == NASTY
    assert page.locator("#tokens img").count() == 0
    assert page.locator("#tokens").get_attribute("lang") == "ko"
    assert page.locator("#influences tr").count() == page.locator("#tokens mark").count()
    assert page.complaints == []
    assert all(url.startswith((address, "data:")) for url in page.requested)


def test_a_column_is_classified_and_downloaded(address, opened, predictor):
    page = opened(address)
    page.get_by_label("A column of a table").fill('후기\n정말 좋았다\n"두 줄\n""따옴표"""\n\n=1+1, kind\n')
    page.get_by_label("The first line is the column's name").check()
    page.get_by_role("button", name="Classify all").click()
    page.locator("#download").wait_for()
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download CSV").click()
    content = Path(caught.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    texts = ["정말 좋았다", '두 줄\n"따옴표"', "", "=1+1, kind"]
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["후기"] for row in rows] == texts
    assert [row["label"] for row in rows] == [p.labels[0] for p in predictor.predict(texts)]
    assert [float(row["p(good)"]) for row in rows] == pytest.approx(
        predictor.probabilities(texts)[:, 1].tolist(), abs=1e-5
    )
    assert page.locator("#rows tr").count() == 4
    assert page.complaints == []


def test_a_large_column_is_sent_in_pieces_that_wait_for_room(serving, opened):
    page = opened(serving(max_texts=7, max_body_bytes=600))
    page.get_by_label("A column of a table").fill("\n".join(f"kind {k} 좋았다" for k in range(100)))
    page.get_by_role("button", name="Classify all").click()
    page.get_by_text("100 of 100 classified").wait_for()
    assert page.locator("#rows tr").count() == 100
    assert page.locator("#many-problem").inner_text() == ""


def test_problems_are_told(serving, opened):
    page = opened(serving(max_text_characters=5))
    page.get_by_role("button", name="Classify all").click()
    assert "no text" in page.locator("#many-problem").inner_text()
    page.get_by_label("Text to classify").fill("123456")
    page.keyboard.press("Control+Enter")
    page.get_by_text("at most 5 are allowed").wait_for()
    assert page.locator("#one-problem").get_attribute("role") == "alert"


def test_the_key_is_asked_for(serving, opened):
    page = opened(serving(SecretStr(KEY)))
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="tiny").wait_for()
    assert not page.locator("#key-form").is_visible()
    page.get_by_label("Text to classify").fill("kind")
    page.keyboard.press("Control+Enter")
    page.locator("#tokens mark").first.wait_for()


def test_the_keyboard_alone_is_enough(address, opened):
    page = opened(address, width=360)
    page.keyboard.press("Tab")
    assert "Skip to the text" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.id") != "text":
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("the staff was kind")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.locator("#tokens mark").first.wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Classify"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_overflows_and_everything_can_be_read(address, opened, width, scheme):
    page = opened(address, width=width, scheme=scheme)
    page.get_by_label("Text to classify").fill(f"{NASTY} kind {'길다' * 200}")
    page.keyboard.press("Control+Enter")
    page.locator("#tokens mark").first.wait_for()
    page.get_by_label("A column of a table").fill(f"좋았다\n{'x' * 300}")
    page.get_by_role("button", name="Classify all").click()
    page.locator("#download").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_LOW_CONTRAST) == []
    unnamed = "[...document.querySelectorAll('input, textarea')].filter((e) => !e.labels.length).length"
    assert page.evaluate(unnamed) == 0
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, summary")].filter((e) => e.checkVisibility())
        .map((e) => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
        .filter(([html, box]) => box.height < 20 && !html.includes("skip")).map(([html]) => html)"""
    )
    assert small == []
    assert page.complaints == []


def test_the_page_has_no_inline_code():
    from importlib.resources import files

    markup = files("sulsul.serving").joinpath("page", "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|https?:", markup)
    script = files("sulsul.serving").joinpath("page", "script.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?:", script)
