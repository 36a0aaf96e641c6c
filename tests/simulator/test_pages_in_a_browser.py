"""Pages as a browser shows them: on a phone and on a desk, in the light and in the dark, with hostile text in them."""

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from tests.support.browser import Browser, find

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find() is None, reason="no Chromium is installed here: apt install chromium"),
]

HOSTILE = "</pre><script>window.hit = 1</script><img src='https://example.org/x.png' onerror='window.hit = 2'>"
SPEC = f"""
orch 1

/// {HOSTILE}

param seats: Int = 3 where seats in 1..50
contract Answer(question: Text) -> Text {{ expects = "{HOSTILE}" }}
agent clerk fulfills Answer {{ slots = seats }}
effect mail(text: Text) {{ key = text }}
flow a_desk_with_a_name_that_is_much_longer_than_a_phone_is_wide(question: Text) -> Text {{
  step answer = Answer(question) by clerk {{ on_failure = use("{HOSTILE}") }}
  step sent = mail(text: answer)
  return answer
}}
profile clerk {{ latency = exponential(mean: 10s) }}
scenario "{HOSTILE}" for a_desk_with_a_name_that_is_much_longer_than_a_phone_is_wide {{
  arrivals = poisson(2 / 10s)
  duration = 20min  warmup = 5min
  fault crash(orchestrator, every: 5min, down: 20s)
  expect p95(latency) <= 2min and completion >= 99% and duplicate_effects == 0 and lost_effects == 0
}}
"""

# The contrast of each text with what is behind it (WCAG 2.2, 1.4.3): the worst, with the text.
CONTRAST = """
(() => {
  const channel = value => value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("svg") || element.closest("style")) continue;
    const pair = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.data.trim().slice(0, 40)];
  }
  return worst;
})()
"""
UNREACHED = """
[...document.querySelectorAll("*")].filter(each => each.scrollWidth > each.clientWidth + 1
  && ["auto", "scroll"].includes(getComputedStyle(each).overflowX) && each.tabIndex < 0)
  .map(each => each.outerHTML.slice(0, 80))
"""
OVERLAPS = """
[...document.querySelectorAll("figure:not(.drawing) svg")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].filter(each => each.getClientRects().length)
    .map(each => [each.textContent, each.getBoundingClientRect()]).filter(each => each[1].width > 0);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([_, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
  ).map(([two]) => `${one} | ${two}`));
})
"""


@pytest.fixture(scope="module")
def browser():
    with Browser(find()) as made:
        yield made


OTHER = "flow b(question: Text) -> Text { step answer = Answer(question) by clerk  return answer }\n"
MADE = {
    "one": ("simulate",),
    "a sweep": ("simulate", "--sweep", "seats=3..6"),
    "a size": ("size", "--vary", "seats=2..6"),
    "a comparison": ("compare", "a_desk_with_a_name_that_is_much_longer_than_a_phone_is_wide", "b", "--runs", "300"),
}


@pytest.fixture(scope="module", params=MADE)
def page(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    name, *more = MADE[request.param]
    (folder / "a.orch").write_text(SPEC + (OTHER if name == "compare" else ""), "utf-8")
    arguments = [name, str(folder / "a.orch"), *more, "--report", str(folder / "page.html"), "--jobs", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    return Path(folder / "page.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_a_page_fits_is_legible_and_loads_nothing(browser, page, width, scheme):
    browser.said.clear()
    browser.open(page, width, scheme)
    assert browser.said == []
    assert browser.run("[typeof window.hit, document.scripts.length, document.images.length]") == ["undefined", 0, 0]
    assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    ratio, text = browser.run(CONTRAST)
    assert ratio >= 4.5, f"{text!r} has a contrast of {ratio:.2f}"
    assert browser.run(UNREACHED) == [], "what scrolls in itself is reached by the keyboard"
    assert browser.run(OVERLAPS) == [], "no words of a chart lie on others"


def test_a_page_has_an_outline_and_says_what_pictures_show(browser, page):
    browser.open(page, 1280)
    levels = browser.run("[...document.querySelectorAll('h1,h2,h3')].map(each => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    labels = browser.run("[...document.querySelectorAll('svg')].map(each => each.getAttribute('aria-label') || '')")
    assert labels
    assert all(labels)
    assert browser.run("document.documentElement.lang") == "en"


def test_a_page_is_printed_whole(browser, page):
    browser.open(page, 1280, print_style=True)
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('.wide')).overflowX") == "visible"
