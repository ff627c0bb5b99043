"""Chromium, driven by Selenium, and the server's page in it."""

from __future__ import annotations

import os
import shutil

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
from tilewright.testing import make_picture

AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SECONDS = 60


class Page:
    """The page, as a person uses it."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def texts(self, selector):
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, condition):
        return WebDriverWait(self.driver, SECONDS).until(lambda _: condition())

    def open(self, server):
        self.driver.get(server.http)
        self.wait_for(lambda: self.text("#summary"))

    def choose(self, *paths):
        self.find("#files").send_keys("\n".join(map(str, paths)))

    def choose_network(self, name):
        Select(self.find("#network")).select_by_value(name)

    def choose_size(self, value):
        self.find(f"#sizes input[value='{value}']").click()

    def choose_side(self, pixels):
        self.choose_size("side")
        self.find("#side").send_keys(Keys.CONTROL, "a")
        self.find("#side").send_keys(str(pixels))

    def choose_format(self, name):
        self.find(f"#formats input[value='{name}']").click()

    def enlarge(self):
        self.wait_for(self.find("#start").is_enabled)
        self.find("#start").click()

    def state(self):
        """Returns the state of the first picture."""
        return self.find("#pictures li").get_attribute("data-state")

    def wait_until(self, state):
        self.wait_for(lambda: self.state() == state)

    def faults(self):
        """Returns what axe finds."""
        if not AXE.exists():
            pytest.skip("needs axe-core, which .ci/run browser installs")
        self.run(AXE.read_text("utf-8"))
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
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs Debian's packages chromium and chromium-driver")
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
    page = Page(driver)
    page.width(1000)
    return page


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(make_picture(40, 60)).save(tmp_path / "small.png")
    return tmp_path / "small.png"


@pytest.fixture
def large_picture(tmp_path):
    """A picture of many parts, which takes a while."""
    Image.fromarray(make_picture(300, 400)).save(tmp_path / "large.png")
    return tmp_path / "large.png"
