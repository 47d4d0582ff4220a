"""Nodes of one site: real processes over one PostgreSQL and one master secret, which can be killed and started."""

import json
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from ports import free_port
from server import PASSWORD

HOST = "example.org"
PATIENCE = 60

SETTINGS = {
    "public_url": f"https://{HOST}",
    "trusted_proxies": "127.0.0.1",
    "log_format": "json",
    # A setting like any other: what is tested here is not how long Argon2 takes.
    "argon2_memory_kib": "8",
    "argon2_iterations": "1",
}


def wait_until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} seconds"
        time.sleep(0.05)


class Node:
    def __init__(self, binary, folder, environment):
        self.binary, self.folder = binary, folder
        self.port = free_port()
        self.environment = environment | {"ROCKET_ADDRESS": "127.0.0.1", "ROCKET_PORT": str(self.port)}
        self.log = []
        self.broken_lines = []
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.binary], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True).start()
        greeting = self.process.stdout.readline()
        assert "is ready" in greeting, f"the node did not start: {greeting}{self.broken_lines}"

    def _read_log(self, lines):
        for line in lines:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.broken_lines.append(line)

    def terminate(self):
        """As an operator does: what is in flight is answered."""
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        assert status == 0, f"the node ended with status {status}"

    def freeze(self):
        """From now on requests arrive and are not answered."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self):
        """With requests in flight."""
        self.freeze()
        time.sleep(1)
        self.process.kill()
        self.process.wait(PATIENCE)

    def complaints(self):
        """What its log holds of warnings and errors."""
        return [line for line in list(self.log) if line["level"] in ("WARN", "ERROR")]

    def requests(self, path=None):
        """The lines of requests in its log, but for the proxy's own questions."""
        return [
            line for line in list(self.log)
            if "path" in line and (line["path"] == path if path else line["path"] != "/readyz")
        ]


class Cluster:
    """`with Cluster(binary, postgres, setting=…) as cluster:` gives two running nodes over a database of their own.
    Each finds PostgreSQL at one of the `ports`."""

    def __init__(self, binary, postgres, ports=None, **settings):
        self.binary = binary
        self.folder = Path(tempfile.mkdtemp(prefix="hallpass-nodes-"))
        (self.folder / "secret").write_text(secrets.token_hex(32))
        database = f"nodes_{secrets.token_hex(8)}"
        postgres.sql(f"create database {database}", database="postgres")
        settings = SETTINGS | {"secret_file": self.folder / "secret"} | settings
        environment = {f"HALLPASS_{name.upper()}": str(value) for name, value in settings.items()}
        url = postgres.url_of(database)
        urls = [url.replace(f":{postgres.port}/", f":{port}/") for port in ports or [postgres.port] * 2]
        self.nodes = [Node(binary, self.folder, environment | {"HALLPASS_DATABASE_URL": url}) for url in urls]

    def __enter__(self):
        self.command("migrate")
        for node in self.nodes:
            node.start()
        return self

    def __exit__(self, fault, *_):
        try:
            for node in self.nodes if fault is None else []:
                if node.process.poll() is None:
                    node.terminate()
                assert not node.broken_lines, f"not JSON: {node.broken_lines}"
            if fault is not None:
                print(*(line for node in self.nodes for line in node.complaints()[-10:]), sep="\n", flush=True)
        finally:
            for node in self.nodes:
                if node.process:
                    node.process.kill()
                    node.process.wait(PATIENCE)
            shutil.rmtree(self.folder)

    def command(self, *arguments, said=""):
        """Runs `hallpass …` beside the nodes; returns what it printed."""
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder, env=self.nodes[0].environment,
            input=said, capture_output=True, text=True,
        )
        assert done.returncode == 0, f"{arguments} failed: {done.stderr}"
        return done.stdout

    def add_user(self, email):
        self.command("user", "add", email, said=f"{PASSWORD}\n")

    def request(self, id):
        """The line of the request with that id, in whichever log it stands."""
        return self._found(id)[1]

    def node_of(self, id):
        """The node that answered the request with that id."""
        return self._found(id)[0]

    def _found(self, id):
        found = []

        def is_there():
            found[:] = [(node, line) for node in self.nodes for line in list(node.log) if line.get("id") == id]
            return found

        wait_until(is_there, f"request {id} in the logs")
        return found[0]
