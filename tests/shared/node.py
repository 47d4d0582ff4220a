"""The real program as a process, with its log as evidence of what it was really asked for."""

import json
import signal
import subprocess
import threading
import time

from checks import PATIENCE
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
        self.log = []
        self.broken_lines = []
        self.process = self.reader = None

    def start(self):
        """Until it says that it is ready."""
        self.process = subprocess.Popen(
            [self.binary], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.reader = threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        greeting = self.process.stdout.readline()
        if "is ready" not in greeting:
            self.end()
            raise AssertionError(f"not started: {greeting}{self.broken_lines}{self.complaints()}")

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
            self.reader.join(PATIENCE)

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
        time.sleep(0.2)
        return [line for line in list(self.log) if (line.get("method"), line.get("path")) == (method, path)]

    def complaints(self):
        """The last of its warnings and errors."""
        return [line for line in list(self.log) if line["level"] in ("WARN", "ERROR")][-10:]
