"""Text browsers in a terminal (tmux), driven by keys and read from the screen."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from checks import wait_until


class Terminal:
    # High enough that no page needs scrolling.
    COLUMNS, LINES = 110, 150

    def __init__(self, command, home):
        self.home = home
        self.socket = os.path.join(home, "tmux")
        environment = ["env", "-i", f"HOME={home}", "TERM=screen", "LANG=C.UTF-8", f"PATH={os.environ['PATH']}"]
        size = ["-x", str(self.COLUMNS), "-y", str(self.LINES)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, *environment, *command)

    def _tmux(self, *arguments):
        environment = {**os.environ, "LANG": "C.UTF-8"}
        command = ["tmux", "-u", "-S", self.socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def keys(self, *names):
        self._tmux("send-keys", *names)
        self.settle()

    def type(self, text):
        self._tmux("send-keys", "-l", text)
        self.settle()

    def screen(self):
        return self._tmux("capture-pane", "-p")

    def settle(self):
        """Until the screen has stopped changing."""
        before = None
        for _ in range(100):
            time.sleep(0.1)
            now = self.screen()
            if now == before:
                return
            before = now

    def wait_for(self, *texts):
        """Until all of these stand on the screen, in any order."""
        def missing():
            screen = re.sub(r"\s+", " ", self.screen())
            return [text for text in texts if text not in screen]

        wait_until(lambda: not missing(), "texts on the screen", lambda: f"{missing()}\n{self.screen().strip()}")
        self.settle()

    def close(self):
        self._tmux("kill-server")
        shutil.rmtree(self.home, ignore_errors=True)


class Lynx(Terminal):
    NAME = "Lynx"

    def __init__(self, url):
        home = tempfile.mkdtemp(prefix="lynx-")
        with open(os.path.join(home, ".lynxrc"), "w") as settings:
            settings.write("keypad_mode=LINKS_AND_FORM_FIELDS_ARE_NUMBERED\n")
        super().__init__(["lynx", "-accept_all_cookies", "-nopause", "-tna", url], home)

    def _go_to(self, pattern):
        found = re.search(pattern, self.screen())
        assert found, f"no {pattern} on the screen:\n{self.screen().strip()}"
        self.type(found.group(1) + "g")
        self.keys("Enter")

    def fill(self, label, value):
        self._go_to(rf"(?s){label}\b[^\[]*\[(\d+)\]")
        self.keys("Enter")
        self.keys("C-u")
        self.type(value)
        self.keys("Tab")

    def tick(self, label):
        self._go_to(rf"\[(\d+)\]\[ \] {label}")
        self.keys("Enter")

    def press(self, label):
        self._go_to(rf"\(\[(\d+)\]BUTTON\) {label}")
        self.keys("Enter")

    def follow(self, label):
        self._go_to(rf"\[(\d+)\]{label}")
        self.keys("Enter")

    def open(self, url):
        self.keys("g")
        self.keys("C-u")
        self.type(url)
        self.keys("Enter")

    def reload(self):
        self.keys("C-r")


class W3m(Terminal):
    NAME = "w3m"
    OPTIONS = {"accept_cookie": 1, "use_history": 0, "ignorecase_search": 0, "confirm_qq": 0}

    def __init__(self, url):
        options = [part for name, value in self.OPTIONS.items() for part in ("-o", f"{name}={value}")]
        super().__init__(["w3m", "-cookie", *options, url], tempfile.mkdtemp(prefix="w3m-"))

    def _search(self, direction, label):
        self.keys("g" if direction == "/" else "G")
        self.keys(direction)
        self.type(label)
        self.keys("Enter")
        assert "Not found" not in self.screen(), f"no {label} on the screen:\n{self.screen().strip()}"

    def fill(self, label, value):
        self._search("/", label)
        self.keys("Tab")
        self.keys("Enter")
        self.keys("C-e")
        self.keys("C-u")
        self.type(value)
        self.keys("Enter")

    def tick(self, label):
        # The box stands before its label: to the blank inside it.
        self._search("/", " . " + label)
        self.keys("Enter")

    def press(self, label):
        # Headings with the same words come before their button.
        self._search("?", label + "$")
        self.keys("Enter")

    follow = press

    def open(self, url):
        self.keys("U")
        self.keys("C-u")
        self.type(url)
        self.keys("Enter")

    def reload(self):
        self.keys("R")
