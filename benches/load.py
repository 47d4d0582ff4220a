"""Load by wrk, and what it measured."""

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import processors

SCRIPTS = Path(__file__).resolve().parent / "wrk"
THREADS = 2
CONNECTIONS = 32
# More than a pool of one takes in its turn, and fewer than the strangers of one account may try at once.
LOGIN_CONNECTIONS = 8
REFRESH_CONNECTIONS = 16
# For each thread one that wrk keeps for itself, and one to spare.
REFRESH_SESSIONS = REFRESH_CONNECTIONS + 2 * THREADS


@dataclass
class Result:
    requests: int
    seconds: float
    bytes: int
    # Answers of 400 and above; connections that broke; answers after more than ten seconds.
    refused: int
    broken: int
    late: int
    # Milliseconds.
    p50: float
    p99: float

    @property
    def rate(self):
        """Answers a second."""
        return self.requests / self.seconds


def page(url, cookie, seconds, length=0):
    """The account page, again and again for one browser; it has so many bytes at least."""
    process = started(f"{url}/account", CONNECTIONS, seconds, "result.lua", header=f"Cookie: {cookie}")
    return long_enough(finished(process), length)


def pages(url, path, cookies, seconds, length=0, once=False):
    """A page for many browsers in turn, whose Cookie headers are in a file; `once`: none asks again."""
    process = started(url, CONNECTIONS, seconds, "pages.lua", "once" if once else "again", path, cookies)
    return long_enough(finished(process), length)


def long_enough(result, length):
    # wrk counts redirects to a log-in page as good answers.
    assert result.bytes > result.requests * length, f"something else than the page was answered: {result}"
    return result


def log_ins(url, email, password, seconds, accounts=None):
    """To one account, or to so many that have a number in their address."""
    several = () if accounts is None else (accounts,)
    return finished(started(url, LOGIN_CONNECTIONS, seconds, "login.lua", email, password, *several))


@contextmanager
def log_ins_meanwhile(url, email, password, seconds):
    """Log-ins for so long; the block must take less. Ends with them."""
    process = started(url, LOGIN_CONNECTIONS, seconds, "login.lua", email, password)
    try:
        yield
        assert process.poll() is None, "the log-ins ended before what was to be measured beside them"
        finished(process)
    finally:
        process.kill()


def refreshes(url, tokens, seconds):
    return finished(started(url, REFRESH_CONNECTIONS, seconds, "refresh.lua", tokens))


def started(url, connections, seconds, script, *arguments, header=None):
    command = [
        *("wrk", "--latency", "--threads", THREADS, "--connections", connections, "--duration", f"{seconds}s"),
        *("--timeout", "10s", "--script", script),
        *(("--header", header) if header else ()),
        *(url, "--", *arguments),
    ]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=SCRIPTS,
        env=os.environ | {"WRK_THREADS": str(THREADS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=processors.for_load,
    )


def finished(process):
    told, _ = process.communicate()
    lines = [line.removeprefix("RESULT ") for line in told.splitlines() if line.startswith("RESULT ")]
    assert process.returncode == 0 and len(lines) == 1, f"wrk failed:\n{told}"
    result = Result(**json.loads(lines[0]))
    unanswered = result.refused + result.broken + result.late
    assert result.requests and not unanswered, f"not every request was answered well: {result}"
    return result
