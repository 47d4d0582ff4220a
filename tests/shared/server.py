"""The real program in a folder of its own, with its log as evidence of what a browser really asked for."""

import json
import os
import re
import subprocess
import tempfile
import threading
import time

from ports import free_port

PASSWORD = "correct horse battery staple"
# Of PASSWORD, with the least that Argon2 can do.
CHEAP_HASH = "$argon2id$v=19$m=8,t=1,p=1$U4Q4j1ipmybvwuYyLfdt+Q$ZC53lNzmCWYSxK0FQQg/9pjj0QXWmTuupy3Yp+qtkVU"
NEW_PASSWORD = "seven quiet lanterns drift"


class Server:
    def __init__(self, binary, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="hallpass-")
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.log = []
        self.broken_lines = []
        self.binary = binary
        self.environment = {
            "ROCKET_ADDRESS": "127.0.0.1",
            "ROCKET_PORT": str(self.port),
            "HALLPASS_LOG_FORMAT": "json",
            # A setting like any other: what is tested here is not how long Argon2 takes.
            "HALLPASS_ARGON2_MEMORY_KIB": "8",
            "HALLPASS_ARGON2_ITERATIONS": "1",
        }
        self.environment |= {f"HALLPASS_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [binary],
            cwd=self.folder.name,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        greeting = ""
        for line in self.process.stdout:
            greeting += line
            link = re.search(r"http://\S+/setup\?token=\S+", line)
            if link:
                self.setup_link = link.group()
                return
        raise AssertionError(f"the server did not start: {greeting}")

    def __enter__(self):
        return self

    def __exit__(self, fault, *_):
        try:
            if fault is None:
                self.stop()
            else:
                print(*self.faults(), sep="\n")
        finally:
            self.process.kill()

    def _read_log(self):
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.broken_lines.append(line)

    def command(self, *arguments):
        """Runs `hallpass …` beside the server; returns what it printed."""
        command = [self.binary, *arguments]
        done = subprocess.run(
            command, cwd=self.folder.name, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{arguments} failed: {done.stderr}"
        return done.stdout

    def requests(self, method, path):
        """The requests that the server has answered, as its log tells."""
        time.sleep(0.2)
        return [line for line in self.log if line.get("method") == method and line.get("path") == path]

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not stop")
        self.folder.cleanup()
        assert status == 0, f"the server ended with status {status}"
        assert not self.broken_lines, f"not JSON: {self.broken_lines}"
        assert not self.faults(), f"faults in the log: {self.faults()}"

    def faults(self):
        """What the log holds of errors and panics."""
        return [line for line in self.log if line["level"] == "ERROR" or line.get("status", 0) >= 500]


def equal(seen, expected, what):
    assert seen == expected, f"{what}: {seen!r}, expected {expected!r}"
