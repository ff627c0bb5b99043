"""The server's page: choice, progress, comparison and download of pictures, in a real browser."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

pytest.importorskip("starlette", reason="needs the extra server")
pytest.importorskip("selenium", reason="needs selenium, which .ci/run browser installs")

from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from support.running_server import running_server
from tilewright import Settings
from tilewright.testing import make_picture

# Makes files, from lists of a name, a type and a number of bytes.
FILES = """
    const transfer = new DataTransfer();
    for (const [name, type, length] of arguments[0]) {
      transfer.items.add(new File([new Uint8Array(length)], name, { type }));
    }
"""


def shown_share(page):
    """Returns the share of the frame's width that shows the input."""
    return page.run("""
        const [before, frame] = [".before", ".frame"].map((name) => document.querySelector(name));
        const hidden = parseFloat(getComputedStyle(before).clipPath.split(" ")[1] ?? 0);
        const end = before.getBoundingClientRect().right - hidden;
        const { left, width } = frame.getBoundingClientRect();
        return (end - left) / width;
    """)


def finished(page, server, *paths, size=3):
    page.open(server)
    page.choose(*paths)
    page.choose_size(size)
    page.enlarge()
    page.wait_until("finished")


def test_a_picture_is_enlarged_and_downloaded(page, server, picture):
    finished(page, server, picture)
    assert page.text("#pictures .sizes") == "60 × 40 → 180 × 120"
    assert page.text("#pictures .state").startswith("Finished in ")
    page.find(".download").click()
    download = page.driver.downloads / "small-large.png"
    page.wait_for(download.exists)
    with Image.open(download) as image:
        assert image.size == (180, 120)
    assert page.driver.get_log("browser") == []


def test_the_slider_follows_the_keyboard(page, server, picture):
    finished(page, server, picture)
    slider = page.find("#pictures input[type=range]")
    assert slider.accessible_name == "Before and after of small.png"
    for key, share in ((Keys.END, 1), (Keys.HOME, 0), (Keys.ARROW_RIGHT, 0.01)):
        slider.send_keys(key)
        assert shown_share(page) == pytest.approx(share, abs=0.002)
    assert slider.get_attribute("aria-valuetext") == "1 % before, 99 % after"


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_the_slider_follows_mouse_and_touch(page, server, picture, kind):
    finished(page, server, picture)
    frame = page.find(".frame")
    page.run("arguments[0].scrollIntoView({ block: 'center' })", frame)
    box = page.run("return arguments[0].getBoundingClientRect().toJSON()", frame)
    x, y = [box["left"] + part * box["width"] for part in (0.5, 0.2)], box["top"] + box["height"] / 2
    if kind == "mouse":
        for event, at in (("mousePressed", 0), ("mouseMoved", 1), ("mouseReleased", 1)):
            buttons = {"button": "left", "buttons": 1, "clickCount": 1}
            page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": event, "x": x[at], "y": y, **buttons})
    else:
        for event, points in (("touchStart", [x[0]]), ("touchMove", [x[1]]), ("touchEnd", [])):
            points = [{"x": at, "y": y} for at in points]
            page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": event, "touchPoints": points})
    page.wait_for(lambda: shown_share(page) == pytest.approx(0.2, abs=0.02))


def test_the_zoom_shows_the_pixels_of_the_result(page, server, large_picture):
    finished(page, server, large_picture, size=2)
    after = page.find(".after")
    assert after.size["width"] < 800
    page.find(".zoom").click()
    assert after.size["width"] == 800
    assert shown_share(page) == pytest.approx(0.5, abs=0.02), "the split stays in the middle of what is seen"
    view = page.find(".view")
    before = view.get_property("scrollLeft")
    assert before > 0, "the middle is shown"
    view.send_keys(Keys.ARROW_RIGHT * 3)
    page.wait_for(lambda: view.get_property("scrollLeft") > before)
    page.wait_for(lambda: shown_share(page) == pytest.approx(0.5, abs=0.02))
    before = view.get_property("scrollLeft")
    ActionChains(page.driver).move_to_element_with_offset(view, 100, 50).click_and_hold().move_by_offset(
        -60, 0
    ).perform()
    ActionChains(page.driver).release().perform()
    assert view.get_property("scrollLeft") > before
    page.find(".zoom").click()
    assert after.size["width"] < 800


def test_progress_is_shown_by_part(page, tmp_path):
    Image.fromarray(make_picture(900, 1200)).save(tmp_path / "large.png")
    # Slow enough for several reports on any machine.
    settings = replace(Settings.from_environment(), threads=1, runtime="onnxruntime")
    with running_server(tmp_path / "store", settings=settings) as server:
        page.open(server)
        page.choose(tmp_path / "large.png")
        seen = progress_seen(page)
    shares = [position for _, position in seen]
    assert len(set(shares)) > 2
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 1
    for text, position in seen:
        done, total = (int(word) for word in text.split(", ")[1].split() if word.isdigit())
        assert done / total == pytest.approx(position)
    assert not page.find("progress").is_displayed()


def progress_seen(page):
    """Enlarges the chosen picture. Returns what was said meanwhile about its parts, and where the bar was."""
    page.run("""
        window.seen = [];
        const item = document.querySelector("#pictures li");
        new MutationObserver(() => {
          const bar = item.querySelector("progress");
          window.seen.push([item.querySelector(".state").textContent, bar.hidden ? null : bar.position]);
        }).observe(item, { subtree: true, childList: true, attributes: true, characterData: true });
    """)
    page.enlarge()
    page.wait_until("finished")
    return [(text, position) for text, position in page.run("return window.seen") if " parts" in text]


def test_several_pictures_can_be_dropped_and_removed(page, server):
    page.open(server)
    page.run(FILES + "document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));",
             [["a.png", "image/png", 9], ["b.tiff", "", 9], ["notes.txt", "text/plain", 9]])  # fmt: skip
    assert page.texts("#pictures h3") == ["a.png", "b.tiff"]
    assert page.text("#error") == "1 file left out, because only pictures can be enlarged."
    assert page.text("#start") == "Enlarge 2 pictures"
    page.find("#pictures .remove").click()
    assert page.texts("#pictures h3") == ["b.tiff"]
    assert page.driver.switch_to.active_element.accessible_name == "Remove b.tiff"


def test_a_picture_can_be_pasted(page, server):
    page.open(server)
    page.run(FILES + "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));",
             [["image.png", "image/png", 9]])  # fmt: skip
    assert page.texts("#pictures h3") == ["image.png"]


def test_expected_seconds_and_sizes_follow_the_choice(page, server, picture, large_picture):
    page.open(server)
    page.choose(picture, large_picture)

    def all_known():
        states = page.texts("#pictures .state")
        return states if all(text.startswith("Takes about ") for text in states) else None

    page.choose_network("realesrgan-x4plus-anime")
    page.choose_size(4)
    slow = page.wait_for(all_known)
    assert page.text("#total").startswith("All together about ")
    page.choose_network("tilewright-photo")
    page.wait_for(lambda: (found := all_known()) and found != slow)
    page.choose_size(2)
    assert page.texts("#pictures .sizes") == ["60 × 40 → 120 × 80", "400 × 300 → 800 × 600"]


def test_a_longer_side_chooses_the_smallest_factor(page, server, picture, large_picture):
    page.open(server)
    page.choose(picture, large_picture)
    page.wait_for(lambda: "→" in page.texts("#pictures .sizes")[1])
    page.choose_side(1000)
    assert page.texts("#pictures .sizes") == [
        "60 × 40 → 240 × 160, 4 times; the network cannot reach 1000 px",
        "400 × 300 → 1200 × 900, 3 times",
    ]
    page.find("#pictures li:nth-child(2) .remove").click()
    page.choose_side(180)
    page.choose_format("JPG")
    page.enlarge()
    page.wait_until("finished")
    assert page.text("#pictures .sizes") == "60 × 40 → 180 × 120"
    assert page.find(".download").get_attribute("href").endswith(".jpg")


def test_a_picture_that_browsers_cannot_show_is_enlarged_too(page, server, tmp_path):
    Image.new("RGB", (30, 20), "navy").save(tmp_path / "scan.tiff")
    page.open(server)
    page.choose(tmp_path / "scan.tiff")
    assert page.text("#pictures .sizes") == "Enlarged 4 times"
    page.enlarge()
    page.wait_until("finished")
    assert page.text("#pictures .sizes") == "120 × 80"
    page.wait_for(lambda: not page.find(".split").is_displayed())  # there is nothing to compare with


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_accessible_and_fits(page, server, picture, tmp_path, scheme, width):
    def check():
        time.sleep(0.3)  # for transitions of colours
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.faults() == []

    (tmp_path / "wrong.png").write_bytes(b"no picture")
    page.colour_scheme(scheme)
    page.width(width)
    page.open(server)
    check()
    page.choose(picture, tmp_path / "wrong.png")
    page.choose_side(150)
    page.choose_format("WEBP")
    check()
    with server.upscaler._networks.exclusive():  # pictures cannot go on
        page.enlarge()
        page.wait_for(lambda: "on the server" in page.text("#pictures .state"))
        check()
    page.wait_until("finished")
    page.wait_for(lambda: page.find("#pictures li:nth-child(2)").get_attribute("data-state") == "failed")
    page.find(".zoom").click()
    check()
