"""What is measured, and in which order. Every figure is kept once a round; the tables take the medians."""

import math
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from difflib import unified_diff
from statistics import median

import load
import processors
from contenders import ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, BUSY_EMAIL, Contender, memory, processor_seconds
from server import PASSWORD

WARM_UP_SECONDS = 1
# The starts of a round, each for the first answer to each of these.
STARTS = 3
FIRST_PATHS = ("/healthz", "/login")
LETTERS = {
    "a": "bare Rocket route",
    "b": "axum + jsonwebtoken + user row",
    "c": "axum-login + tower-sessions",
    "d": "Flask + Flask-JWT-Extended",
}


@dataclass
class Row:
    """One line of the table of account pages."""

    name: str
    contender: Contender
    # Whose cookies are sent, if not its own.
    cookies_of: Contender | None = None
    log: str = "nothing"
    letter: str | None = None
    environment: dict = field(default_factory=dict)
    rates: list = field(default_factory=list)
    p50: list = field(default_factory=list)
    p99: list = field(default_factory=list)
    # Processor time of one request, in microseconds: what other programs' load changes least.
    cost: list = field(default_factory=list)
    memory: list = field(default_factory=list)


class Bench:
    def __init__(self, plan, hallpass, peers, floor, crowd):
        self.plan, self.hallpass, self.floor, self.crowd = plan, hallpass, floor, crowd
        self.peers = peers
        self.rows = [
            Row("hallpass", hallpass, log="a line a request"),
            Row("hallpass, `RUST_LOG=warn`", hallpass, log="warnings", environment={"RUST_LOG": "warn"}),
            *(Row(f"({letter}) {LETTERS[letter]}", peer, letter=letter) for letter, peer in peers.items()),
        ]
        # Rocket reads the cookies of each request, whether or not anybody asks for them.
        same = Row("(a′) the same as (a), sent hallpass's cookies", peers["a"], cookies_of=hallpass)
        self.rows.insert(3, same)
        # Of everything that is not a row of that table: a list of figures, one a round.
        self.figures = defaultdict(list)
        self.page = None

    def run(self):
        self.measure_crowd()
        with self.hallpass.running():
            self.hallpass.set_up()
            self.page = self.hallpass.page(self.hallpass.cookie())
        for peer in self.peers.values():
            (peer.folder / "account.html").write_bytes(self.page[1])
        for number in range(self.plan.rounds):
            self.figures["others"].append(processors.busy())
            # Whoever is first after a pause may find a cooler machine.
            first = number % len(self.rows)
            for row in self.rows[first:] + self.rows[:first]:
                self.measure_page(number, row)
            self.measure_log_ins(number)
            self.measure_refreshes(number)
            self.measure_starts(number)

    def measure_page(self, number, row):
        contender = row.contender
        with contender.running(**row.environment) as pid:
            cookie = (row.cookies_of or contender).cookie()
            self.check_page(contender, cookie)
            load.page(contender.url, cookie, WARM_UP_SECONDS)
            before = processor_seconds(pid)
            result = self.load_page(contender, cookie)
            row.cost.append((processor_seconds(pid) - before) / result.requests * 1e6)
            row.memory.append(memory(pid) / 2**20)
            self.check_page(contender, cookie)
        row.rates.append(result.rate)
        row.p50.append(result.p50)
        row.p99.append(result.p99)
        self.tell(number, f"{row.name}: {result.rate:.0f}/s")

    def measure_log_ins(self, number):
        seconds, hallpass = self.plan.seconds, self.hallpass
        with hallpass.running() as pid:
            cookie = hallpass.cookie()
            load.page(hallpass.url, cookie, WARM_UP_SECONDS)
            idle = self.load_page(hallpass, cookie)
            alone = load.log_ins(hallpass.url, BUSY_EMAIL, PASSWORD, seconds)
            with load.log_ins_meanwhile(hallpass.url, BUSY_EMAIL, PASSWORD, seconds + 2):
                beside = self.load_page(hallpass, cookie)
            self.figures["memory after log-ins"].append(memory(pid) / 2**20)
        self.figures["log-ins"].append(alone.rate)
        self.figures["page p99 idle"].append(idle.p99)
        self.figures["page p99 beside log-ins"].append(beside.p99)
        raw = self.raw("verifications", seconds, ARGON2_MEMORY_KIB, ARGON2_ITERATIONS)
        self.figures["verifications"].append(raw)
        self.tell(number, f"log-ins: {alone.rate:.1f}/s, verifications: {raw:.1f}/s")

    def measure_refreshes(self, number):
        seconds, hallpass = self.plan.seconds, self.hallpass
        with hallpass.running():
            rotations = hallpass.rotations([BUSY_EMAIL] * load.REFRESH_SESSIONS, seconds)
        self.figures["rotations"].append(rotations)
        raw = self.raw("commits", hallpass.database, seconds)
        self.figures["commits"].append(raw)
        self.tell(number, f"rotations: {rotations:.0f}/s, commits: {raw:.0f}/s")

    def measure_starts(self, number):
        for path in FIRST_PATHS * STARTS:
            self.figures[f"first answer, {path}"].append(self.hallpass.first_answer(path))
        told = (f"{path} {min(self.figures[f'first answer, {path}']):.0f} ms" for path in FIRST_PATHS)
        self.tell(number, f"first answer after a start, at best: {', '.join(told)}")

    def measure_crowd(self):
        self.crowd.import_accounts(self.plan.crowd)
        with self.crowd.running() as pid:
            self.crowd.visit(self.plan.crowd)
            for kind in ("Rss", "Pss"):
                self.figures[f"crowd {kind}"].append(memory(pid, kind) / 2**20)

    def check_page(self, contender, cookie):
        """That what is compared is the same."""
        kind, page = contender.page(cookie)
        assert kind.lower() == self.page[0].lower(), f"{contender.name} says {kind}, hallpass {self.page[0]}"
        if page != self.page[1]:
            difference = unified_diff(*(text.decode().splitlines() for text in (self.page[1], page)), lineterm="")
            raise AssertionError("\n".join([f"the page of {contender.name} is not what hallpass's was", *difference]))

    def load_page(self, contender, cookie):
        return load.page(contender.url, cookie, self.plan.seconds, len(self.page[1]))

    def raw(self, program, *arguments):
        """What the machine does without a server: the one number that the program prints. Not a number in a smoke run,
        which does not build these programs."""
        if self.floor is None:
            return math.nan
        command = [str(part) for part in (self.floor / program, *arguments)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, preexec_fn=processors.for_servers
        )
        return float(done.stdout)

    def median(self, figure):
        return median(self.figures[figure])

    def tell(self, number, what):
        print(f"round {number + 1} of {self.plan.rounds}: {what}", file=sys.stderr, flush=True)
