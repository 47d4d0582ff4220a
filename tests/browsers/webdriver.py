"""As much of the WebDriver protocol (https://www.w3.org/TR/webdriver2/) as the journey needs."""

import os
import shutil
import signal
import subprocess
import tempfile

from checks import PATIENCE, wait_until
from client import Client
from ports import free_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Stale(AssertionError):
    """The element stood on a page that is gone."""


class Chromium:
    """A headless Chromium with an empty profile, in which scripts are switched off unless they are asked for."""

    def __init__(self, scripts=False):
        port = free_port()
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}", "--silent"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.client, self.session = Client(f"http://127.0.0.1:{port}"), ""
        options = {
            "args": [*FLAGS, f"--user-data-dir={self.profile}"],
            "prefs": {"profile.managed_default_content_settings.javascript": 1 if scripts else 2},
        }
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        try:
            wait_until(self._driver_is_ready, "chromedriver is ready")
            session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self.session = f"/session/{session['sessionId']}"
            # Sooner than the call for the page gives up.
            self._call("POST", "/timeouts", {"implicit": 0, "pageLoad": PATIENCE * 500})
        except BaseException:
            self.close()
            raise

    def _driver_is_ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except ConnectionError:
            return False

    def _call(self, method, path, body=None):
        answer = self.client.send_json(method, self.session + path, body)
        value = answer.json["value"]
        if answer.status != 200:
            told = f"{value['error']}: {value['message']}"
            # The last is said in the middle of a navigation.
            gone = ("stale element reference", "no such element", "does not belong to the document")
            fault = Stale if any(word in told for word in gone) else AssertionError
            raise fault(f"{method} {path} {body}: {told}")
        return value

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def url(self):
        return self._call("GET", "/url")

    def title(self):
        return self._call("GET", "/title")

    def find_all(self, css):
        found = self._call("POST", "/elements", {"using": "css selector", "value": css})
        return [element[ELEMENT] for element in found]

    def find(self, css):
        found = self.find_all(css)
        assert found, f"no {css} on {self.url()}"
        return found[0]

    def text(self, css="body"):
        return self._call("GET", f"/element/{self.find(css)}/text")

    def css(self, css, name):
        return self._call("GET", f"/element/{self.find(css)}/css/{name}")

    def property(self, css, name):
        return self._call("GET", f"/element/{self.find(css)}/property/{name}")

    def focused(self):
        return self._call("GET", f"/element/{self._call('GET', '/element/active')[ELEMENT]}/property/id")

    def click(self, css):
        self._call("POST", f"/element/{self.find(css)}/click", {})

    def button(self, label, within="main"):
        """Presses the button with that label, as it is read out if it has a name for that."""
        for element in self.find_all(f"{within} button"):
            shown = self._call("GET", f"/element/{element}/text")
            if shown == label:
                return self._leave_by(element)
        raise AssertionError(f"no button {label!r} on {self.url()}")

    def link(self, label):
        found = self._call("POST", "/elements", {"using": "link text", "value": label})
        assert found, f"no link {label!r} on {self.url()}"
        self._leave_by(found[0][ELEMENT])

    def _leave_by(self, element):
        """Clicks, and waits until another page has taken this one's place."""
        page = self.find("html")
        self._call("POST", f"/element/{element}/click", {})
        wait_until(lambda: self._is_gone(page), "the click leads to another page", self.url)

    def _is_gone(self, element):
        try:
            self._call("GET", f"/element/{element}/name")
        except Stale:
            return True
        return False

    def fill(self, **fields):
        for name, value in fields.items():
            element = self.find(f"main [name={name}]")
            self._call("POST", f"/element/{element}/clear", {})
            self._call("POST", f"/element/{element}/value", {"text": value})

    def script(self, body, *arguments):
        """Runs the body of a function in the page; a promise that it returns is waited for."""
        return self._call("POST", "/execute/sync", {"script": body, "args": arguments})

    def cookies(self):
        return {cookie["name"]: cookie for cookie in self._call("GET", "/cookie")}

    def console(self):
        return self._call("POST", "/se/log", {"type": "browser"})

    def close(self):
        try:
            if self.session:
                self._call("DELETE", "")
        finally:
            # The browser too, should it hang: it is in the driver's group.
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait(timeout=PATIENCE)
            shutil.rmtree(self.profile, ignore_errors=True)
