# SPDX-License-Identifier: BSD-2-Clause
"""A real Chromium without a screen, and what it had to say while it was used."""
import json
import shutil
import tempfile

from memprov import HANG, until
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars"]

# Whether it is where it was two frames ago.
RESTS = """
const [element, done] = arguments, place = () => JSON.stringify(element.getBoundingClientRect());
element.scrollIntoView({block: 'center'});
const before = place();
requestAnimationFrame(() => requestAnimationFrame(() => done(place() === before)));"""


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="memprov-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in [*FLAGS, f"--user-data-dir={self.profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(HANG)
        self.driver.set_script_timeout(HANG)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def begin(self):
        """Forgets what other tests left behind."""
        self.driver.get("about:blank")
        self.media()
        self.size(1200, 900)
        self.logs()

    def size(self, width, height):
        """Of what is seen of the page: a window cannot be made as narrow as a phone."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def media(self, **features):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": name.replace("_", "-"), "value": value}
                         for name, value in features.items()]})

    def logs(self):
        """(what was written to the console, the addresses that were asked for) since last time."""
        console = [entry["message"] for entry in self.driver.get_log("browser")]
        requests = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                requests.append(message["params"]["request"]["url"])
        return console, requests

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def click(self, what):
        """What is a selector or an element: clicked when it rests and nothing lies over it."""
        def clicked():
            try:
                element = self.one(what) if isinstance(what, str) else what
                if not self.driver.execute_async_script(RESTS, element):
                    return False
                element.click()
                return True
            except ElementClickInterceptedException:
                return False

        until(clicked, f"{what} to be clicked")

    def text(self, css="body"):
        return self.one(css).text

    def keys(self, *keys):
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def picture(self, path):
        self.driver.save_screenshot(str(path))
