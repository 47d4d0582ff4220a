"""The real program as a process, with its log as evidence of what it was really asked for."""

import json
import signal
import subprocess
import threading
import time

from checks import PATIENCE, wait_until
from client import Client
from ports import free_port

# Settings like any others: what is tested with them is not how long Argon2 takes.
CHEAP = {"argon2_memory_kib": 8, "argon2_iterations": 1}
# As long as systemd waits, by the unit in deploy/.
STOP_SECONDS = 20


def variables(settings):
    """Settings as hallpass finds them in its environment."""
    return {f"HALLPASS_{name.upper()}": str(value) for name, value in settings.items()}


class Node:
    def __init__(self, binary, folder, **settings):
        self.binary, self.folder = binary, folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {"ROCKET_ADDRESS": "127.0.0.1", "ROCKET_PORT": str(self.port)}
        self.environment |= variables({"log_format": "json"} | CHEAP | settings)
        self.output = []
        self.log = []
        self.broken_lines = []
        self.process = None
        self.readers = []

    def start(self):
        """Until it says that it is ready."""
        self.process = subprocess.Popen(
            [self.binary], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        # What an earlier process said is no greeting of this one.
        self.output = []
        self.readers = [
            threading.Thread(target=self._read_output, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        self.said("is ready")

    def said(self, words):
        """The line with these words on its standard output, as soon as it is there."""
        def found():
            line = next((said.strip() for said in list(self.output) if words in said), None)
            if not line and self.process.poll() is not None:
                self.end()
                raise AssertionError(f"ended before it said {words!r}: {self.evidence()}")
            return line

        return wait_until(found, f"it says {words!r}", self.evidence)

    def evidence(self):
        return f"{self.output}{self.broken_lines}{self.complaints()}"

    def _read_output(self, lines):
        for line in lines:
            self.output.append(line)

    def _read_log(self, lines):
        for line in lines:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.broken_lines.append(line)

    def terminate(self):
        """As an operator does: what is in flight is answered."""
        self.process.terminate()
        status = self.process.wait(STOP_SECONDS)
        self.end()
        assert status == 0, f"the program ended with status {status}"
        assert not self.broken_lines, f"not JSON: {self.broken_lines}"

    def freeze(self):
        """From now on requests arrive and are not answered."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self):
        """With requests in flight."""
        self.freeze()
        time.sleep(1)
        self.end()

    def end(self):
        """If it has not ended yet. Then the log is complete, too."""
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
            for reader in self.readers:
                reader.join(PATIENCE)

    def command(self, *arguments, said=""):
        """Runs `hallpass …` beside it; returns what it printed."""
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder, env=self.environment,
            input=said, capture_output=True, text=True,
        )
        assert done.returncode == 0, f"{arguments} failed: {done.stderr}"
        return done.stdout

    def requests(self, method, path):
        """The requests that it has answered, as its log tells."""
        if self.process.poll() is None:
            # Lines are written later than the answers, but in their order.
            last = Client(self.url).send("GET", "/healthz").expect(200).request_id
            wait_until(lambda: self.request(last), f"request {last} in the log", self.evidence)
        return [line for line in list(self.log) if (line.get("method"), line.get("path")) == (method, path)]

    def request(self, id):
        """The line of the request with that id, if it is there already."""
        return next((line for line in list(self.log) if line.get("id") == id), None)

    def complaints(self):
        """The last of its warnings and errors."""
        return [line for line in list(self.log) if line["level"] in ("WARN", "ERROR")][-10:]
