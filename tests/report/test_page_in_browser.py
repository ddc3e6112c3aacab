"""The page in a real browser: nothing overflows, nothing is fetched, nothing runs, everything can be read."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from sulsul.report.curves import curves_svg
from sulsul.report.lengths import lengths_svg
from sulsul.report.page import render_report

pytestmark = pytest.mark.browser

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Returns elements whose text has less than 4.5 times the luminance of what lies behind it (WCAG 2.2, 1.4.3).
_LOW_CONTRAST = """
() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
  const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const v = c[k] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["TITLE", "title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const background = behind(element);
    const colour = over(parse(element.closest("svg") ? style.fill : style.color), background);
    const [light, dark] = [luminance(colour), luminance(background)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.tagName} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return poor;
}
"""


@pytest.fixture(scope="module")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("Chromium is absent")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, full_record, compare_record) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("보고서")
    contents = {
        "train": render_report(full_record),
        "compare": render_report(compare_record),
        "curves.svg": curves_svg(full_record.training, title="서울 120"),
        "lengths.svg": lengths_svg(full_record.text.lengths, title="글의 길이"),
    }
    paths = {name: folder / (name if "." in name else f"{name}.html") for name in contents}
    for name, path in paths.items():
        path.write_text(contents[name], encoding="utf-8")
    return paths


def opened(browser, path, *, width=1280, scheme="light"):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.complaints, page.requested = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requested.append(request.url))
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("name", ["train", "compare"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_every_screen(browser, pages, name, width, scheme):
    page = opened(browser, pages[name], width=width, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
    assert page.complaints == []
    assert [url for url in page.requested if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_LOW_CONTRAST) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tone", ["better", "alike", "worse", "useless", "collapsed", "plain"])
def test_every_verdict_is_readable(browser, pages, tone, scheme):
    page = opened(browser, pages["compare"], scheme=scheme)
    page.evaluate("(tone) => { document.querySelector('.verdict').className = `verdict tone-${tone}`; }", tone)
    assert page.evaluate("getComputedStyle(document.querySelector('.verdict')).getPropertyValue('--tone')")
    assert page.evaluate(_LOW_CONTRAST) == []
    page.close()


def test_text_from_data_is_inert(browser, pages):
    page = opened(browser, pages["train"])
    assert page.evaluate("window.hacked") is None
    assert page.locator("script, img, iframe").count() == 0
    assert "<script>window.hacked = true</script>" in page.locator(".mistakes").inner_text()
    page.close()


def test_headings_give_the_outline(browser, pages):
    page = opened(browser, pages["train"])
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    page.close()


def test_the_keyboard_reaches_everything(browser, pages):
    page = opened(browser, pages["train"], width=360)
    expected = page.evaluate(
        """() => [...document.querySelectorAll("a[href], summary, [tabindex='0']")]
        .filter((element) => element.checkVisibility()).length"""
    )
    seen = []
    for _ in range(expected):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert "Skip to the result" in seen[0]
    assert page.evaluate("document.activeElement !== document.body")
    page.keyboard.press("Shift+Tab")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    page.close()


def test_hangul_is_drawn_with_glyphs(browser, pages):
    """A font without Hangul draws every syllable as the same box."""
    page = opened(browser, pages["train"])
    page.evaluate(
        """() => { document.body.innerHTML =
        '<p style="font-size:40px"><span id="a" lang="ko">가</span> <span id="b" lang="ko">힣</span></p>'; }"""
    )
    assert page.locator("#a").screenshot() != page.locator("#b").screenshot()
    page.close()


@pytest.mark.parametrize("name", ["curves.svg", "lengths.svg"])
def test_svg_files_open_on_their_own(browser, pages, name):
    page = opened(browser, pages[name])
    assert page.complaints == []
    assert page.locator("text").count() > 5
    page.close()
