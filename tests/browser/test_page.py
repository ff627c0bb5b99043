"""The server's page in a real browser: Debian's Chromium, driven by Selenium."""

from __future__ import annotations

import contextlib
import os
import shutil
import time

import pytest

pytest.importorskip("starlette", reason="needs the extra server")
pytest.importorskip("selenium", reason="needs selenium, which .ci/run browser installs")

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from support.paths import ROOT
from support.running_server import running_server
from tilewright.server.keys import hash_of
from tilewright.server.state import ServerOptions
from tilewright.testing import make_picture

AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SECONDS = 60

if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
    pytest.skip("needs Debian's packages chromium and chromium-driver", allow_module_level=True)


class Page:
    """The page, as a person uses it."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def wait_for(self, condition):
        return WebDriverWait(self.driver, SECONDS).until(lambda _: condition())

    def open(self, server):
        self.driver.get(server.http)
        self.wait_for(lambda: self.text("#summary"))

    def choose(self, *paths):
        self.find("#files").send_keys("\n".join(map(str, paths)))

    def enlarge(self):
        self.wait_for(self.find("#start").is_enabled)
        self.find("#start").click()

    def result(self):
        self.wait_for(lambda: "pixels, in" in self.text("#pictures .state"))
        return self.text("#pictures .state")

    def faults(self):
        """Returns what axe finds."""
        if not AXE.exists():
            pytest.skip("needs axe-core, which .ci/run browser installs")
        self.driver.execute_script(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        assert len(found["passes"]) > 10
        return [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]]

    def colour_scheme(self, name):
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def width(self, pixels):
        sizes = {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    if os.geteuid() == 0:  # Chromium has no sandbox for root
        options.add_argument("--no-sandbox")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.downloads = downloads
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    driver.get_log("browser")  # of earlier tests
    return Page(driver)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(make_picture(40, 60)).save(tmp_path / "small.png")
    return tmp_path / "small.png"


def test_a_picture_is_enlarged_compared_and_downloaded(page, server, picture):
    page.open(server)
    page.choose(picture)
    Select(page.find("#factor")).select_by_value("3")
    page.enlarge()
    assert page.result().startswith("180 × 120 pixels")
    slider = page.find("#pictures input[type=range]")
    slider.send_keys(Keys.END)
    assert page.find(".before").value_of_css_property("clip-path") == "inset(0px 0% 0px 0px)"
    slider.send_keys(Keys.HOME)
    assert page.find(".before").value_of_css_property("clip-path") == "inset(0px 100% 0px 0px)"
    page.find(".zoom").click()
    assert page.find(".after").size["width"] == 180
    page.find(".download").click()
    download = page.driver.downloads / "small-large.png"
    page.wait_for(download.exists)
    with Image.open(download) as image:
        assert image.size == (180, 120)
    assert page.driver.get_log("browser") == []


def test_several_pictures_can_be_dropped(page, server):
    page.open(server)
    page.driver.execute_script("""
        const dropped = new DataTransfer();
        for (const name of ["a.png", "b.png"]) dropped.items.add(new File(["no picture"], name, { type: "image/png" }));
        dropped.items.add(new File(["text"], "notes.txt", { type: "text/plain" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true }));
    """)
    names = [item.text for item in page.driver.find_elements(By.CSS_SELECTOR, "#pictures h2")]
    assert sorted(names) == ["a.png", "b.png"]
    assert "not pictures" in page.text("#error")


def test_a_file_that_is_no_picture_is_named(page, server, tmp_path):
    (tmp_path / "wrong.png").write_bytes(b"no picture")
    page.open(server)
    page.choose(tmp_path / "wrong.png")
    page.enlarge()
    page.wait_for(lambda: page.text("#pictures .state").startswith("not enlarged: "))
    assert page.text("#error")


def test_a_lost_server_is_reported(page, tmp_path, picture):
    with contextlib.ExitStack() as stack:
        page.open(stack.enter_context(running_server(tmp_path)))
        stack.close()
        page.choose(picture)
        page.enlarge()
        page.wait_for(lambda: "does not answer" in page.text("#error"))
        assert page.find("#start").is_enabled()  # the picture can be sent again


def test_a_server_with_keys_asks_for_one(page, tmp_path, picture):
    with running_server(tmp_path, options=ServerOptions(key_hashes=(hash_of("secret"),))) as server:
        page.open(server)
        page.choose(picture)
        page.enlarge()
        page.wait_for(lambda: "needs an API key" in page.text("#error"))
        page.find("#key").send_keys("secret")
        page.enlarge()
        assert page.result().startswith("240 × 160")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_accessible_and_fits(page, server, picture, scheme, width):
    page.colour_scheme(scheme)
    page.width(width)
    page.open(server)
    page.choose(picture)
    page.enlarge()
    page.result()
    time.sleep(0.3)  # for transitions of colours
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.faults() == []
