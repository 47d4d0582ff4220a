"""The report of growth, in Markdown."""

import load
from growth import FIRST_SECONDS, KNOWN_BROWSERS, SESSIONS_EACH
from tables import heading, ratio

ROWS = {
    "known": "account page, known token",
    "first": "account page, each time another browser's first since the start",
    "sessions": "sessions page",
    "log-ins": "log-ins",
    "rotations": "rotations",
    "pruned": "rows pruned",
}
# Of the rate with the most accounts ÷ the rate with one, at least: issue 4.
TARGETS = {"known": 0.95}


def growth_table(plan, growth):
    parts = [heading(plan, growth.figures["others", None]), *table(plan, growth), "", *notes(plan, growth)]
    return "\n".join(parts) + "\n"


def table(plan, growth):
    most = plan.growth[-1]
    sizes = " | ".join(f"{accounts:,}" for accounts in plan.growth)
    yield f"| a second, with so many accounts | {sizes} | {most:,} ÷ fewest | target | |"
    yield f"|---|{'--:|' * len(plan.growth)}--:|--:|---|"
    for what, name in ROWS.items():
        rates = [growth.median(what, accounts) for accounts in plan.growth]
        fewest = next(rate for rate in rates if rate is not None)
        cells = " | ".join("" if rate is None else f"{rate:.0f}" for rate in rates)
        yield f"| {name} | {cells} | {ratio(rates[-1], fewest, TARGETS.get(what))} |"
    starts = " | ".join(f"{growth.median('start', accounts):.0f} ms" for accounts in plan.growth)
    yield f"| first answer after the start, `/healthz` | {starts} | | | |"


def notes(plan, growth):
    return [
        f"- Accounts with {SESSIONS_EACH} sessions each: {'; '.join(each.told for each in growth.databases)}. "
        "Made in memory; each round measured a new copy on the disk, all of it in the machine's cache of files.",
        f"- First requests: for {FIRST_SECONDS} s, each from a browser that the process had not seen since it started, "
        "of an account of its own as long as there are enough. One account has not enough browsers.",
        f"- Sessions page: {KNOWN_BROWSERS} browsers in turn, fewer where there are not as many; nothing of what it "
        "shows is remembered.",
        "- Log-ins: to accounts at random, with passwords hashed as cheaply as can be (8 KiB, one pass), since Argon2 "
        f"costs the same with any number of accounts. Rotations: {plan.chains} sessions' chains of refresh tokens on "
        f"{load.REFRESH_CONNECTIONS} connections.",
        f"- Pruning: {plan.pruned} sessions at least that had ended long before, and what their log-ins left, by the "
        "clock of the program that prunes.",
    ]
