"""The same figures with one account in the database, ten thousand, and a million."""

import os
import shutil
import sys
import time
from collections import defaultdict
from itertools import islice
from statistics import median

import load
import processors
from contenders import NUMBERED_EMAIL, Hallpass
from node import CHEAP
from server import PASSWORD

PAGE, SESSIONS = "/account", "/account/sessions"
SESSIONS_EACH = 2
# Of one browser each from so many accounts, the cookies are kept, and likewise of second ones: fewer ask in that time.
BROWSERS = 10_000
FIRST_SECONDS = 1
# Few enough for their tokens to be remembered while they look at their sessions.
KNOWN_BROWSERS = 500
WARM_UP_SECONDS = 1
# Of one account with its sessions, in the database: more than there are.
BYTES_EACH = 4096


class Grown(Hallpass):
    """hallpass on a database of so many accounts. It is made in memory, where commits cost nothing; each round measures
    a new copy of it on the disk."""

    def __init__(self, binary, seed, folder, memory, accounts):
        super().__init__(binary, folder, f"with-{accounts}", **CHEAP)
        self.seed, self.accounts = seed, accounts
        self.original = memory / self.name
        self.browsers, self.known_browsers = folder / f"{self.name}.browsers", folder / f"{self.name}.known"
        self.cookie_of_first = self.told = None

    def cookie(self):
        return self.cookie_of_first

    def make(self):
        need, free = self.accounts * BYTES_EACH, shutil.disk_usage(self.original.parent).free
        assert free > need, f"{self.original.parent} has {free >> 20} MiB free, and it takes {need >> 20}"
        self.original.mkdir()
        began = time.monotonic()
        self.import_accounts(self.accounts, self.original)
        imported = time.monotonic()
        self.run(self.seed, "sessions", self.accounts, SESSIONS_EACH, BROWSERS, self.browsers, folder=self.original)
        ended = time.monotonic()
        with open(self.browsers) as browsers:
            some = list(islice(browsers, KNOWN_BROWSERS))
        self.known_browsers.write_text("".join(some))
        self.cookie_of_first = some[0].strip()
        size = sum(file.stat().st_size for file in (self.original / "data").iterdir()) / 2**20
        self.told = (
            f"{self.accounts:,} by `hallpass user import` in {imported - began:.0f} s, their sessions in "
            f"{ended - imported:.0f} s, {size:.0f} MiB"
        )

    def copy(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self.original, self.folder)
        # What is still being written would be measured.
        os.sync()

    def emails(self, number):
        """Of so many accounts, evenly spread; again from the first if there are fewer."""
        step = max(1, self.accounts // number)
        return [NUMBERED_EMAIL % (each * step % self.accounts) for each in range(number)]


class Growth:
    def __init__(self, plan, databases):
        self.plan, self.databases = plan, databases
        # By what is measured and the number of accounts: a figure a round.
        self.figures = defaultdict(list)

    def run(self):
        for database in self.databases:
            database.make()
            print(database.told, file=sys.stderr, flush=True)
        for number in range(self.plan.rounds):
            self.figures["others", None].append(processors.busy())
            first = number % len(self.databases)
            for database in self.databases[first:] + self.databases[:first]:
                database.copy()
                for what, figure in self.measured(database):
                    self.figures[what, database.accounts].append(figure)
                    told = f"round {number + 1} of {self.plan.rounds}: {database.accounts:,} accounts: {what}"
                    print(told, f"{figure:.0f}", file=sys.stderr, flush=True)

    def measured(self, database):
        """What is measured, and the figure, one after the other."""
        url, seconds, plan = database.url, self.plan.seconds, self.plan
        yield "start", database.first_answer("/healthz")
        with database.running():
            # What is done at the start, in the background, is over.
            time.sleep(1)
            length, sessions_length = (len(database.page(database.cookie(), path)[1]) for path in (PAGE, SESSIONS))
            # Of one account there are not enough browsers; a smoke run has fewer still.
            if database.accounts >= BROWSERS or plan.smoke:
                first = load.pages(url, PAGE, database.browsers, FIRST_SECONDS, length, once=not plan.smoke)
                yield "first", first.rate
            load.page(url, database.cookie(), WARM_UP_SECONDS)
            yield "known", load.page(url, database.cookie(), seconds, length).rate
            load.pages(url, SESSIONS, database.known_browsers, WARM_UP_SECONDS)
            yield "sessions", load.pages(url, SESSIONS, database.known_browsers, seconds, sessions_length).rate
            yield "log-ins", load.log_ins(url, NUMBERED_EMAIL, PASSWORD, seconds, database.accounts).rate
            yield "rotations", database.rotations(database.emails(plan.chains), seconds)
        yield "pruned", float(database.run(database.seed, "prune", database.accounts, plan.pruned))

    def median(self, what, accounts):
        figures = self.figures.get((what, accounts))
        return median(figures) if figures else None
