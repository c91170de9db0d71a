"""The page in a real browser: `apt-get install chromium`, `pip install '.[browser]'`."""

from itertools import product

import pytest
from stored_runs import curves_run, limit_run

from sweepjax.report.page import report

pytestmark = pytest.mark.slow

WIDTHS, SCHEMES = {"desktop": 1280, "phone": 390}, ("light", "dark")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page of two runs, one of them incomplete, as a file."""
    home = tmp_path_factory.mktemp("page")
    runs = [limit_run(home / "limit", stored=14), curves_run(home / "curves")]
    path = home / "report.html"
    path.write_text(report(runs).html, encoding="utf-8")
    return path


@pytest.fixture(params=product(WIDTHS, SCHEMES), ids="-".join)
def opened(request, browser, file):
    """The page at one width and in one colour scheme, with all that it said and asked for."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": WIDTHS[width], "height": 844}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    yield page, said, asked
    context.close()


def test_a_page_opens_from_a_file_asks_for_nothing_else_and_complains_of_nothing(opened, file):
    _, said, asked = opened
    assert not said
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def test_a_page_never_scrolls_sideways_even_with_everything_unfolded(opened):
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_image_is_drawn_and_has_a_text_in_its_place(opened):
    page, _, _ = opened
    images = page.evaluate("[...document.images].map(each => [each.complete && each.naturalWidth, each.alt.length])")
    assert len(images) >= 3
    assert all(width > 100 and length > 20 for width, length in images)


def test_all_text_stands_out_from_its_background(opened):
    page, _, _ = opened
    ratios = page.evaluate(CONTRAST)
    assert min(ratios.values()) >= 4.5, ratios


# The contrast of WCAG 2, for each colour of text on the nearest background that is not transparent.
CONTRAST = """() => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = each => {
    while (each && (parts(getComputedStyle(each).backgroundColor)[3] ?? 1) === 0) each = each.parentElement;
    return each ? parts(getComputedStyle(each).backgroundColor) : [255, 255, 255];
  };
  const found = {};
  for (const each of document.body.querySelectorAll('*')) {
    if (![...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const [front, back] = [parts(getComputedStyle(each).color), behind(each)];
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    found[`${front} on ${back.slice(0, 3)}`] = (high + 0.05) / (low + 0.05);
  }
  return found;
}"""
