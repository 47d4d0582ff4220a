"""The report, in Markdown."""

import datetime
import platform
import subprocess
from pathlib import Path
from statistics import median

import load
from contenders import PROCESSORS

# Requests a second of hallpass ÷ those of a peer, at least: issue 4.
TARGETS = {"a": 0.90, "b": 2.5, "c": 5, "d": 80}


def tables(plan, bench):
    parts = [*heading(plan), "", *account_page(bench)]
    if not plan.only_page:
        parts += ["", *beside_the_machine(bench)]
    return "\n".join([*parts, "", *notes(bench)]) + "\n"


def heading(plan):
    processors = f"{len(PROCESSORS)} processors" if len(PROCESSORS) != 1 else "1 processor"
    return [
        f"Measured on {datetime.date.today().isoformat()} on {processors} for the servers ({model()}), "
        f"{platform.system()} {platform.release()}, commit {commit()}; {plan.name}.",
        f"Medians of {plan.rounds} interleaved rounds of {plan.seconds} s each.",
    ]


def account_page(bench):
    yield "| account page, known token | requests/s | lowest – highest | p50 ms | p99 ms | memory MiB | hallpass ÷ it | target | |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    hallpass = bench.rows[0]
    for row in bench.rows:
        rates = f"{median(row.rates):.0f} | {min(row.rates):.0f} – {max(row.rates):.0f}"
        rest = f"{median(row.p50):.2f} | {median(row.p99):.2f} | {median(row.memory):.1f}"
        compared = " | | " if row is hallpass else ratio(median(hallpass.rates) / median(row.rates), TARGETS.get(row.letter))
        yield f"| {row.name} | {rates} | {rest} | {compared} |"


def beside_the_machine(bench):
    yield "| hallpass | figure | compared with | figure | ratio | target | |"
    yield "|---|--:|---|--:|--:|--:|---|"
    yield compared(bench, "log-ins", "verifications", "/s", "raw Argon2id verifications on the pool's processors", 0.95)
    yield compared(bench, "rotations", "commits", "/s", "raw commits of one row to the same file", 0.5)
    beside, idle = bench.median("page p99 beside log-ins"), bench.median("page p99 idle")
    yield (
        f"| account page p99 while log-ins saturate the pool | {beside:.2f} ms | p99 without them | {idle:.2f} ms "
        f"| {ratio(beside / idle, 5, at_most=True)} |"
    )
    yield f"| memory after log-ins | {bench.median('memory after log-ins'):.1f} MiB | | | | | |"


def compared(bench, ours, raw, unit, words, target):
    """A line that sets a figure of hallpass against one of the machine."""
    ratio_cells = ratio(bench.median(ours) / bench.median(raw), target)
    return f"| {ours} | {bench.median(ours):.1f}{unit} | {words} | {bench.median(raw):.1f}{unit} | {ratio_cells} |"


def ratio(value, target=None, at_most=False):
    """The ratio, its target, and a word if it is missed."""
    if target is None:
        return f"{value:.2f} | | "
    missed = value > target if at_most else value < target
    word = ("above" if at_most else "below") if missed else ""
    return f"{value:.2f} | {'at most' if at_most else 'at least'} {target:g} | {word}"


def notes(bench):
    logs = "; ".join(f"{row.name}: {row.log}" for row in bench.rows)
    return [
        f"Load of pages: wrk with {load.THREADS} threads and {load.CONNECTIONS} connections that stay open "
        f"(gunicorn's default workers close theirs after each answer), one logged-in browser's cookies, a page of "
        f"{len(bench.page[1])} bytes, the same bytes from all. Servers ran one after the other, each with two worker "
        "threads or processes; the load came from the same machine.",
        f"Log-ins: {load.LOGIN_CONNECTIONS} connections. Rotations: {load.REFRESH_CONNECTIONS} connections, each with "
        "its own session's chain of refresh tokens, by the API.",
        "Memory is the proportional set size, children included, right after the load.",
        f"Logged, to a file: {logs}.",
    ]


def model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit():
    git = ["git", "-C", Path(__file__).resolve().parent, "describe", "--always", "--dirty"]
    done = subprocess.run(git, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
