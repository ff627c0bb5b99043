"""The comparison that notebooks show, in a real browser."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium", reason="needs selenium, which .ci/run browser installs")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import tilewright
from tilewright.testing import make_picture


@pytest.fixture
def comparison(page, tmp_path):
    """The page with the comparison of two pictures of one colour: black on the left, white on the right."""
    small, large = make_picture(30, 40) * 0, make_picture(120, 160) * 0 + 255
    content = tilewright.compare(small, large)._repr_html_()
    # Another one on the same page must not be changed.
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title><main><h1>Test</h1>{content}{content}'
    )
    (tmp_path / "page.html").write_text(text, "utf-8")
    page.driver.get((tmp_path / "page.html").as_uri())
    return page


def shown_shares(page):
    """Returns which share of the width of each comparison shows the first picture."""
    return page.run("""
        return [...document.querySelectorAll("figure")].map((figure) => {
          const [before, after] = figure.querySelectorAll("img");
          const edges = [getComputedStyle(before).clipPath, getComputedStyle(after).clipPath];
          const width = before.getBoundingClientRect().width;
          const pixels = (text) => text.endsWith("%") ? parseFloat(text) * width / 100 : parseFloat(text);
          const calc = (text) => text.match(/calc\\((.*)% - (.*)%\\)/);
          const right = edges[0].match(/inset\\(\\S+ (calc\\(.*\\)|\\S+)/)[1];
          const hidden = calc(right) ? (calc(right)[1] - calc(right)[2]) * width / 100 : pixels(right);
          const left = pixels(edges[1].match(/(\\S+)\\)$/)[1]);
          if (Math.abs(width - hidden - left) > 0.01) throw new Error(edges.join());
          return left / width;
        });
    """)


def test_keys_and_pointer_move_the_boundary_of_one_comparison(comparison):
    assert shown_shares(comparison) == [0.5, 0.5]
    slider = comparison.find("input")
    slider.send_keys(*[Keys.ARROW_RIGHT] * 4)
    assert shown_shares(comparison) == [pytest.approx(0.52), 0.5]
    slider.send_keys(Keys.HOME)
    assert shown_shares(comparison) == [0, 0.5]
    slider.send_keys(Keys.END)
    assert shown_shares(comparison) == [1, 0.5]
    width = comparison.run("return document.querySelector('img').getBoundingClientRect().width")
    ActionChains(comparison.driver).move_to_element_with_offset(slider, -width // 4, 0).click().perform()
    assert shown_shares(comparison) == [pytest.approx(0.25, abs=0.02), 0.5]
    assert comparison.driver.get_log("browser") == []


def test_focus_is_visible_and_nothing_is_inaccessible(comparison):
    comparison.find("input").send_keys(Keys.ARROW_LEFT)
    style = "return getComputedStyle(document.querySelector('figure i'), '::after').outlineStyle"
    assert comparison.run(style) == "solid"
    assert comparison.find("input").get_attribute("aria-label") == "Boundary between before and after"
    assert comparison.faults() == []
