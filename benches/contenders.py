"""The programs that are compared, each in a folder of its own, and how a browser logs in to them."""

import csv
import http.cookiejar
import os
import secrets
import socket
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import load
import processors
from client import Api, Client
from node import variables
from ports import free_port
from program import Program
from server import CHEAP_HASH, PASSWORD

EMAIL = "ada@example.org"
# Theirs is the page: it tells how many sessions there are, so nothing else logs in to that account.
BUSY_EMAIL = "busy@example.org"
PEERS = Path(__file__).resolve().parent / "peers"
# OWASP's, and hallpass's default; written out since the raw verifications must have the same.
ARGON2_MEMORY_KIB = 19456
ARGON2_ITERATIONS = 2
# All of one length, so that their pages have one, too.
NUMBERED_EMAIL = "user%07d@example.org"


class Contender:
    def __init__(self, name, folder):
        self.name, self.folder = name, Path(folder, name)
        self.folder.mkdir()
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {"PEER_PASSWORD": PASSWORD}

    def cookie(self):
        """The Cookie header of a browser that has just logged in."""
        jar = http.cookiejar.CookieJar()
        fields = urllib.parse.urlencode({"email": EMAIL, "password": PASSWORD}).encode()
        with urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(f"{self.url}/login", fields):
            return header(jar)

    def page(self, cookie, path="/account"):
        """Type and bytes of the account page, or of another."""
        answer = Client(self.url).send("GET", path, headers=[("Cookie", cookie)]).expect(200)
        return answer.headers["Content-Type"], answer.text.encode()

    def first_answer(self, path):
        """Milliseconds from the start of the program to the end of its first answer."""
        began = time.perf_counter()
        with self.running(until=lambda: self._answers(path), pause=0.001):
            return (time.perf_counter() - began) * 1000

    @contextmanager
    def running(self, until=None, pause=0.05, **environment):
        """The program, from its start (`until` it is ready, asked each `pause`) to its end; its output goes to a file
        beside its folder."""
        with open(f"{self.folder}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in self.command()],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], **self.environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=processors.for_servers,
            )
            try:
                self._wait(process, until or self._listens, pause)
                yield process.pid
                assert process.poll() is None, f"{self.name} ended by itself"
                process.terminate()
                process.wait(timeout=30)
            finally:
                process.kill()
                process.wait()

    def _wait(self, process, ready, pause):
        end = time.monotonic() + 30
        while time.monotonic() < end and process.poll() is None:
            if ready():
                return
            time.sleep(pause)
        raise AssertionError(f"{self.name} did not start:\n{Path(f'{self.folder}.log').read_text()}")

    def _listens(self):
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def _answers(self, path):
        try:
            Client(f"http://127.0.0.1:{self.port}").send("GET", path).expect(200)
            return True
        except ConnectionRefusedError:
            return False


class Hallpass(Contender):
    def __init__(self, binary, folder, name="hallpass", **settings):
        super().__init__(name, folder)
        self.binary, self.settings = binary, settings
        self._cookie = None

    def command(self):
        return [self.binary]

    def environment(self):
        settings = {
            # A known token to the end: what a new one costs is measured by itself.
            "access_token_ttl_seconds": 86400,
            "argon2_memory_kib": ARGON2_MEMORY_KIB,
            "argon2_iterations": ARGON2_ITERATIONS,
            **self.settings,
        }
        rocket = {"ROCKET_ADDRESS": "127.0.0.1", "ROCKET_PORT": str(self.port), "ROCKET_WORKERS": "2"}
        return rocket | variables(settings)

    def run(self, *command, folder=None):
        """A command on the same database, or on the one in another folder; returns what it printed."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder or self.folder,
            env={"PATH": os.environ["PATH"], **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.strip()}"
        return done.stdout

    def import_accounts(self, number, folder=None):
        """So many accounts, with the addresses of NUMBERED_EMAIL and passwords hashed as CHEAP says."""
        accounts = Path(f"{self.folder}.csv")
        with open(accounts, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "name", "password_hash"])
            rows.writerows((NUMBERED_EMAIL % each, "Ada", CHEAP_HASH) for each in range(number))
        self.run(self.binary, "user", "import", accounts, folder=folder)
        accounts.unlink()

    def set_up(self):
        """The accounts, and a browser that stays logged in."""
        for email in (EMAIL, BUSY_EMAIL):
            Api(self.url).register(email, PASSWORD, "Ada")
        browser = Program(self.url, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        browser.log_in(EMAIL, PASSWORD)
        self._cookie = header(browser.jar)

    def cookie(self):
        return self._cookie

    def rotations(self, emails, seconds):
        """Rotations a second, of the chains of refresh tokens of a session for each of these addresses."""
        tokens = self.folder / "refresh_tokens"
        with open(tokens, "w") as file:
            for email in emails:
                print(Api(self.url).log_in(email, PASSWORD)["refresh_token"], file=file)
        before = self._generations()
        refreshes = load.refreshes(self.url, tokens, seconds)
        rotations = self._generations() - before
        # A token sent again is answered with the same successor, which costs no commit.
        assert rotations >= refreshes.requests, f"{refreshes.requests} refreshes were only {rotations} rotations"
        return refreshes.rate

    def _generations(self):
        """How many refresh tokens all sessions together have had."""
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("select sum(generation) from sessions").fetchone()[0]

    @property
    def database(self):
        return self.folder / "data/hallpass.db"


class RustPeer(Contender):
    def __init__(self, binary, folder):
        super().__init__(binary.name, folder)
        self.binary = binary

    def command(self):
        return [self.binary, self.folder, self.port]


class Bare(RustPeer):
    def environment(self):
        return {"ROCKET_WORKERS": "2"}

    def cookie(self):
        return "nobody=asks"


class Flask(Contender):
    def __init__(self, python, folder):
        super().__init__("flask_jwt", folder)
        self.python = python
        self.secret = secrets.token_hex(32)

    def command(self):
        bind = f"127.0.0.1:{self.port}"
        app = PEERS / "flask_jwt"
        return [self.python, "-m", "gunicorn", "--workers", 2, "--bind", bind, "--pythonpath", app, "app:app"]

    def environment(self):
        return super().environment() | {"JWT_SECRET_KEY": self.secret, "PYTHONDONTWRITEBYTECODE": "1"}


def header(jar):
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def memory(pid, kind="Pss"):
    """Bytes in memory of a process and its children: `Pss`, pages that they share counted once; `Rss`, all of them."""
    return sum(kibibytes(each, kind) for each in family(pid)) * 1024


def processor_seconds(pid):
    """What a process and its children have used so far, in user and system time; proc_pid_stat(5)."""
    ticks = 0
    for each in family(pid):
        # The name, in brackets, may hold anything.
        numbers = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(numbers[11]) + int(numbers[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def kibibytes(pid, kind):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{kind}:")))


def family(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(child))]
