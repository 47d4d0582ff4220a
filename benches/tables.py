"""The report, in Markdown."""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from statistics import median

import load
import processors
from measure import FIRST_PATHS, STARTS

# Requests a second of hallpass ÷ those of a peer, at least: issue 4.
TARGETS = {"a": 0.90, "b": 2.5, "c": 5, "d": 80}

# The share of the processors that other programs may take: beside more, whatever waits for a turn is slower, and by
# how much depends on how often it waits.
QUIET = 0.1


def tables(plan, bench):
    every = [account_page(bench), [""], beside_the_machine(bench), process(bench), [""], notes(bench)]
    lines = [line for part in every for line in part]
    return "\n".join([heading(plan, bench.figures["others"]), *lines]) + "\n"


def heading(plan, others):
    others = max(others)
    doubt = " That is too much for figures to be relied on." if others > QUIET else ""
    return (
        f"Measured on {datetime.date.today().isoformat()} on {os.cpu_count()} × {model()}, {platform.system()} "
        f"{platform.release()}, commit {commit()}; {plan.name}. Medians of {plan.rounds} interleaved rounds of "
        f"{plan.seconds} s each. Before a round, other programs kept at most {others:.0%} of the processors busy."
        f"{doubt}\n"
    )


def account_page(bench):
    yield (
        "| account page, known token | requests/s | lowest – highest | p50 ms | p99 ms | processor µs | memory MiB "
        "| hallpass ÷ it | target | |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    hallpass = bench.rows[0]
    for row in bench.rows:
        rate, against = median(row.rates), " | | "
        if row is not hallpass:
            against = ratio(median(hallpass.rates), rate, TARGETS.get(row.letter))
        yield (
            f"| {row.name} | {rate:.0f} | {min(row.rates):.0f} – {max(row.rates):.0f} | {median(row.p50):.2f} "
            f"| {median(row.p99):.2f} | {median(row.cost):.0f} | {median(row.memory):.1f} | {against} |"
        )


def beside_the_machine(bench):
    log_ins, verifications = bench.median("log-ins"), bench.median("verifications")
    rotations, commits = bench.median("rotations"), bench.median("commits")
    attacked, idle = bench.median("page p99 beside log-ins"), bench.median("page p99 idle")
    return [
        "| hallpass | | compared with | | ratio | target | |",
        "|---|--:|---|--:|--:|--:|---|",
        f"| log-ins | {log_ins:.1f}/s | raw Argon2id verifications on the pool's processors | {verifications:.1f}/s "
        f"| {ratio(log_ins, verifications, 0.95)} |",
        f"| rotations | {rotations:.0f}/s | raw commits of one row to the same file | {commits:.0f}/s "
        f"| {ratio(rotations, commits, 0.5)} |",
        f"| account page p99 while log-ins saturate the pool | {attacked:.2f} ms | p99 without them | {idle:.2f} ms "
        f"| {ratio(attacked, idle, 5, at_most=True)} |",
        f"| memory after these log-ins and pages | {bench.median('memory after log-ins'):.1f} MiB | | | | | |",
    ]


def process(bench):
    """The same table, of hallpass by itself."""
    alive, login = (bench.median(f"first answer, {path}") for path in FIRST_PATHS)
    resident, proportional = bench.median("crowd Rss"), bench.median("crowd Pss")
    return [
        f"| first answer after the start, `/healthz` | {limited(alive, 150, 'ms')} |",
        f"| first answer after the start, the log-in page | {limited(login, 150, 'ms')} |",
        f"| resident memory, {bench.plan.crowd:,} live sessions that have shown the account page "
        f"| {limited(resident, 60, 'MiB')} |",
        f"| the same, pages that are shared with others counted in part | {proportional:.1f} MiB | | | | | |",
    ]


def limited(value, most, unit):
    """A figure that is compared with nothing but its target, and a word if it is missed."""
    return f"{value:.1f} {unit} | | | | at most {most} {unit} | {'above' if value > most else ''}"


def ratio(ours, theirs, target=None, at_most=False):
    """The ratio, its target, and a word if it is missed."""
    value = ours / theirs
    if target is None:
        return f"{value:.2f} | | "
    missed = value > target if at_most else value < target
    word = ("above" if at_most else "below") if missed else ""
    return f"{value:.2f} | {'at most' if at_most else 'at least'} {target:g} | {word}"


def notes(bench):
    logs = "; ".join(f"{row.name}: {row.log}" for row in bench.rows)
    rates = {row.letter: median(row.rates) for row in bench.rows if row.letter}
    ceiling = ", ".join(f"({letter}) {rates['a'] / rate:.2f}" for letter, rate in rates.items())
    return [
        f"- The most that any route of Rocket could reach on this machine, (a) ÷ each peer: {ceiling}.",
        f"- Load of pages: wrk with {load.THREADS} threads and {load.CONNECTIONS} connections that stay open "
        "(gunicorn's default workers close theirs after each answer), one logged-in browser's cookies, a page of "
        f"{len(bench.page[1])} bytes, the same bytes from all. Servers ran one after the other, each with two worker "
        f"threads or processes on {len(processors.SERVERS)} processors; the load came from {processors.load_place()}.",
        f"- Log-ins: {load.LOGIN_CONNECTIONS} connections. Rotations: {load.REFRESH_CONNECTIONS} connections, each "
        "with its own session's chain of refresh tokens, by the API.",
        "- Processor µs: what the server used in user and system time for one request. Memory: the proportional set "
        "size right after the load. Child processes count in both.",
        f"- First answers: medians of {bench.plan.rounds * STARTS} starts on the database of these rounds, from before "
        "the program is executed to the end of the answer. Live sessions: each of an account of its own, by log-ins "
        "over HTTP.",
        f"- Logged, to a file: {logs}.",
    ]


def model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit():
    git = ["git", "-C", Path(__file__).resolve().parent, "describe", "--always", "--dirty"]
    done = subprocess.run(git, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
