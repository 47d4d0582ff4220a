"""A crowd of visitors who do what visitors do while something fails, and judge every answer that they get."""

import asyncio
import itertools
import random
import re
import time

from client import csrf_token
from clients import Browser, Cut, claims_of
from nodes import EMAIL, NAME
from server import PASSWORD

LIVE, ENDING, ENDED = "live", "ending", "ended"
# How long after its end a session may be accepted, in seconds.
KNOWN_AFTER = 1
# A visitor who has tried for so long has been refused wrongly.
GIVEN_UP_AFTER = 120
AT_ONCE = 40
LABELS = re.compile(r"(?:Visitor|Newcomer) \d+")
EMAILS = re.compile(r"[\w.]+@example\.org")


class Visitor:
    """Of one account, with one browser."""

    def __init__(self, crowd, number, label=NAME, email=EMAIL):
        self.crowd, self.tally = crowd, crowd.tally
        self.number, self.label, self.email = number, label % number, email % number
        self.browser = Browser(crowd.site.door, number, self.tally)
        self.state, self.ended_at = LIVE, None
        self.form_token = None
        # Held while it does something: not to be logged out in the middle of it.
        self.turn = asyncio.Lock()
        # The name that was answered last, and those of which it isn't known whether, or when, they arrived.
        self.saved, self.unsure, self.changes = self.label, set(), 0

    async def ask(self, method, path, form=None, port=None):
        """What the browser gets in the end, and when it was asked for. Its questions are answered; what was cut off or
        refused for now is tried again, with the cookies that the jar holds then."""
        began, questions, attempts, doubtful = time.monotonic(), 0, 0, False
        while True:
            sent_at = time.monotonic()
            try:
                response = await self.browser.send(method, path, form, port=port, patience=self.crowd.patience)
            except Cut:
                self.tally.count("cut")
                doubtful = True
            else:
                self.tally.times.append(time.monotonic() - sent_at)
                if response.status == 307 and response.location == path and questions < 2:
                    questions += 1
                    continue
                if response.status not in (429, 503):
                    response.doubtful = doubtful or response.attempts > 0
                    response.attempts += attempts
                    return response
                self.judge_refusal(response, method, path)
            if time.monotonic() - began > GIVEN_UP_AFTER:
                self.tally.fault("wrong", f"{self.email} had no answer to {method} {path} for {GIVEN_UP_AFTER} s")
                began = time.monotonic()
            attempts += 1
            self.tally.count("retries")
            await asyncio.sleep(random.uniform(0.2, 1))

    async def log_in(self):
        """Whether that was possible."""
        async with self.crowd.log_ins:
            page = await self.ask("GET", "/login")
            if page.status == 200:
                self.form_token = csrf_token(page.text)
                fields = {"csrf_token": self.form_token, "email": self.email, "password": PASSWORD}
                page = await self.ask("POST", "/login", fields | random.choice(({}, {"remember": "on"})))
            return page.status == 303 and page.location == "/account"

    async def register(self):
        """Whether the account exists now."""
        page = await self.ask("GET", "/register")
        if page.status == 200:
            self.form_token = csrf_token(page.text)
            fields = {"csrf_token": self.form_token, "name": self.label, "email": self.email, "password": PASSWORD}
            page = await self.ask("POST", "/register", fields)
        if page.status == 303 and page.location == "/account":
            self.tally.count("registered")
            return self.tally.promised_by(page)
        # The address is taken: an attempt before this one went through, and its answer did not.
        if page.status == 422 and page.attempts:
            return self.tally.promised_by(page)
        self.tally.fault("wrong", f"{self.email}: registration was answered {page.status} {page.location}")
        return False

    async def live(self):
        """Until the crowd goes home."""
        await asyncio.sleep(random.uniform(0, self.crowd.pace))
        while not self.crowd.leaving:
            if self.state is ENDED:
                await self.press()
            elif self.state is LIVE:
                async with self.turn:
                    await self.act()
            # Whoever has a copy of somebody's cookies tries more often.
            pace = self.crowd.pace / 3 if self.state is ENDED else self.crowd.pace
            await asyncio.sleep(pace * random.uniform(0.5, 1.5))

    async def act(self):
        chance = random.random()
        if chance < 0.1:
            await self.change_name()
        elif chance < 0.2:
            await asyncio.gather(self.look("/account"), self.look("/account/sessions"))
        elif chance < 0.3:
            await self.look("/")
        elif chance < 0.35:
            await self.ask_by_bearer()
        else:
            await self.look("/account")

    async def look(self, path, port=None):
        response = await self.ask("GET", path, port=port)
        await self.judge(response, f"GET {path}", 200)
        # A graphical browser most of the time, and not always to the end.
        if self.state is LIVE and "/session/ack" in response.text and random.random() < 0.8:
            try:
                await self.browser.send("GET", "/session/ack", Sec_Fetch_Dest="image")
            except Cut:
                self.tally.count("cut")
        return response

    async def change_name(self):
        self.changes += 1
        name = f"{self.label}, change {self.changes}"
        self.unsure.add(name)
        fields = {"csrf_token": self.form_token, "name": name}
        response = await self.ask("POST", "/account/profile", fields)
        if response.location == "/account?saved=name" and self.state is LIVE and self.tally.promised_by(response):
            self.saved = name
            self.tally.count("saved")
            if not response.doubtful:
                self.unsure.discard(name)
        await self.judge(response, "POST /account/profile", 303, "/account?saved=name")

    async def ask_by_bearer(self, port=None):
        sent_at, claims = time.monotonic(), claims_of(self.browser.jar["access_token"])
        try:
            response = await self.browser.send("GET", "/api/me", port=port, bearer=True)
        except Cut:
            return self.tally.count("cut")
        if response.status == 503:
            self.judge_refusal(response, "GET", "/api/me")
        elif self.state is not LIVE:
            self.judge_ended(response, "Bearer /api/me", sent_at)
        elif response.status == 401 and "token_expired" in response.text:
            if time.time() < claims["exp"] - self.crowd.ahead:
                self.fault("wrong", f"Bearer /api/me, before its end at {claims['exp']}", response)
        elif response.status != 200 or self.email not in response.text:
            self.fault("wrong", "Bearer /api/me", response)

    async def press(self, port=None, decided_after=0):
        """What is tried with the tokens of an ended session. `decided_after` a moment, if that is later than now."""
        port = port or self.crowd.site.door()
        sent_at = max(time.monotonic(), decided_after)
        try:
            if random.random() < 0.3 and "access_token" in self.browser.jar:
                what, bearer = "/api/me", True
            else:
                what, bearer = random.choice(("/", "/account")), False
            response = await self.browser.send("GET", what, port=port, patience=self.crowd.patience, bearer=bearer)
        except Cut:
            return self.tally.count("cut")
        if response.status == 503:
            self.judge_refusal(response, "GET", what)
        self.judge_ended(response, what, sent_at)

    async def judge(self, response, what, status, location=""):
        """An answer that was to be of this status."""
        if self.state is not LIVE:
            return self.judge_ended(response, what, response.sent_at)
        strangers = {*LABELS.findall(response.text), *EMAILS.findall(response.text)} - {self.label, self.email}
        if strangers:
            self.fault("wrong", f"{what} shows {strangers}", response)
        is_anonymous = response.status == 200 and self.label not in response.text
        if response.clears or is_anonymous or response.status == 303 and response.location.startswith("/login"):
            self.fault("logged_out", what, response)
            self.browser.jar = {}
            if not await self.log_in():
                self.fault("lost", "log-in", response)
        elif (response.status, response.location) != (status, location):
            self.fault("wrong", what, response)

    def judge_refusal(self, response, method, path):
        """Busy, or the database is away."""
        if response.status == 503:
            self.tally.count("unavailable")
        if response.header("retry-after") is None:
            self.fault("wrong", f"{method} {path} without Retry-After", response)
        if response.clears:
            self.fault("logged_out", f"{method} {path}", response)

    def judge_ended(self, response, what, sent_at):
        is_accepted = response.delivers or self.label in response.text or response.location.startswith("/account")
        if self.state is ENDED and sent_at > self.ended_at + KNOWN_AFTER:
            if is_accepted:
                self.fault("accepted", f"{what}, {sent_at - self.ended_at:.1f} s after the end", response)
            elif response.status != 503:
                self.tally.count("refused")

    def fault(self, fault, what, response):
        holding = self.browser.holding()
        told = f"{self.email}: {what}: {response.status} {response.location}, holding {holding}"
        self.tally.fault(fault, f"{told} of {self.browser.newest[0]}, request {response.header('x-request-id')}")

    def ended(self):
        self.state, self.ended_at = ENDED, time.monotonic()
        self.tally.count("ended")


class Crowd:
    """`async with Crowd(site, tally, …) as crowd:` logs everybody in and lets them go on; `settle` judges in the end.

    `pace` is how many seconds pass between what a visitor does, `ahead` how many the clock of a node is."""

    def __init__(self, site, tally, pace, patience=15, ahead=0):
        self.site, self.tally, self.pace, self.patience, self.ahead = site, tally, pace, patience, ahead
        self.log_ins, self.judged_at_once = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
        self.visitors = [Visitor(self, number) for number in range(site.accounts)]
        self.newcomers, self.numbers = [], itertools.count()
        self.means = itertools.cycle((self.end_by_device, self.end_by_command, self.end_by_log_out, self.lock))
        self.group, self.tasks = asyncio.TaskGroup(), []
        self.leaving = False

    async def __aenter__(self):
        self.tally.count("clients", len(self.visitors))
        logged_in = await asyncio.gather(*(visitor.log_in() for visitor in self.visitors))
        assert all(logged_in), f"{logged_in.count(False)} visitors could not log in"
        # A mistake in one of them ends the scenario.
        await self.group.__aenter__()
        for visitor in self.visitors:
            self.meanwhile(visitor.live())
        return self

    async def __aexit__(self, *fault):
        await self.group.__aexit__(*fault)
        for visitor in self.visitors:
            visitor.browser.close()

    def meanwhile(self, work):
        self.tasks.append(self.group.create_task(work))

    def living(self):
        return [visitor for visitor in self.visitors if visitor.state is LIVE]

    async def ends(self, every):
        """Ends a session now and then."""
        while not self.leaving:
            await asyncio.sleep(every)
            await self.end(random.choice(self.living()))

    async def registers(self, every):
        """Somebody new now and then."""
        while not self.leaving:
            await asyncio.sleep(every)
            newcomer = Visitor(self, next(self.numbers), "Newcomer %d", "newcomer%d@example.org")
            if await newcomer.register():
                self.newcomers.append(newcomer)
            newcomer.browser.close()

    async def come_to_rest(self, visitor):
        """Nothing of theirs is on its way, and every node has their tokens in memory."""
        visitor.state = ENDING
        async with visitor.turn:
            await self.be_remembered(visitor)

    async def end(self, visitor, means=None):
        visitor.state = ENDING
        await self.be_remembered(visitor)
        await (means or next(self.means))(visitor)
        visitor.ended()

    async def be_remembered(self, visitor):
        """Every node has its tokens in memory."""
        for port in self.site.ports:
            try:
                await visitor.browser.send("GET", "/", port=port, patience=self.patience)
            except Cut:
                self.tally.count("cut")

    async def end_by_device(self, visitor):
        """By its owner, on another one."""
        device = Visitor(self, visitor.number)
        while not (await device.log_in() and (await device.ask("GET", "/account")).status == 200):
            pass
        form = {"csrf_token": device.form_token}
        answer = await device.ask("POST", f"/account/sessions/{visitor.browser.session}/end", form)
        if answer.status != 303 or not answer.location.startswith("/account/sessions"):
            device.fault("wrong", "ending a session", answer)
        device.browser.close()

    async def end_by_log_out(self, visitor):
        """In its own browser; somebody has a copy of the cookies."""
        async with visitor.turn:
            owner = Visitor(self, visitor.number)
            owner.browser = visitor.browser.copy()
            answer = await owner.ask("POST", "/logout", {"csrf_token": visitor.form_token})
        if answer.status != 303 or answer.location != "/":
            owner.fault("wrong", "logging out", answer)
        owner.browser.close()

    async def end_by_command(self, visitor):
        await self._until_done("session", "end", visitor.browser.session)

    async def lock(self, visitor):
        await self._until_done("user", "lock", visitor.email)

    async def _until_done(self, *command):
        while (await self.site.command(*command)).returncode != 0:
            self.tally.count("retries")
            await asyncio.sleep(0.3)

    async def settle(self, least):
        """After the faults, and when so much has happened: everybody is who they were, on every node, and what was
        answered is there."""
        end = time.monotonic() + GIVEN_UP_AFTER
        while time.monotonic() < end and any(self.tally.counts[what] < number for what, number in least.items()):
            await asyncio.sleep(0.5)
        self.leaving = True
        async with asyncio.timeout(GIVEN_UP_AFTER):
            await asyncio.gather(*self.tasks)
        await asyncio.sleep(KNOWN_AFTER + 0.5)
        await asyncio.gather(*(self._judge_finally(visitor) for visitor in self.visitors))
        listed = (await self.site.command("user", "list")).stdout.splitlines()
        known = {line.split("\t")[0] for line in listed}
        for visitor in [*self.visitors, *self.newcomers]:
            if visitor.email not in known:
                self.tally.fault("lost", f"{visitor.email} is not listed")
        for newcomer in self.newcomers:
            again = Visitor(self, 0)
            again.email = newcomer.email
            if not await again.log_in():
                self.tally.fault("lost", f"{newcomer.email} cannot log in")
            again.browser.close()
        for line in self.site.panics():
            self.tally.fault("wrong", line)

    async def _judge_finally(self, visitor):
        for node in self.site.nodes:
            async with self.judged_at_once:
                if visitor.state is ENDED:
                    await visitor.press(node.port)
                    continue
                page = await visitor.look("/account", node.port)
            shown = re.search(r'name="name"[^>]*value="([^"]*)"', page.text)
            if shown and shown.group(1) not in {visitor.saved, *visitor.unsure}:
                visitor.fault("lost", f"the name is {shown.group(1)!r}, and {visitor.saved!r} was answered", page)
