"""What a scenario counts: figures that prove that something happened, and faults, of which there must be none."""

from collections import Counter

# In the order of the table's columns, with their headings.
FIGURES = {
    "clients": "clients",
    "requests": "requests",
    "rotations": "rotations",
    "faults": "faults",
    "unavailable": "503",
    "cut": "cut off",
    "retries": "tried again",
    "saved": "changes",
    "registered": "new accounts",
    "ended": "sessions ended",
    "refused": "refused after it",
}
FAULTS = {
    "logged_out": "logged out",
    "wrong": "wrong answers",
    "accepted": "accepted after the end",
    "lost": "lost",
}
EVIDENCE_KEPT = 8


class Skipped(Exception):
    """A scenario needs what this machine doesn't give."""


class Tally:
    def __init__(self):
        self.counts = Counter()
        self.evidence = {fault: [] for fault in FAULTS}
        # Seconds from a request of an honest client to its answer.
        self.times = []
        # When the newest that the database had was lost, as far as that may happen.
        self.lost_at = 0

    def count(self, figure, number=1):
        self.counts[figure] += number

    def fault(self, fault, told):
        """One of FAULTS, with what is needed to find out why."""
        self.counts[fault] += 1
        if len(self.evidence[fault]) < EVIDENCE_KEPT:
            self.evidence[fault].append(told)

    def promised_by(self, response):
        """Whether it counts: what was asked for before a loss, and answered after it, may be among what is lost."""
        return response.sent_at >= self.lost_at

    def faults(self):
        return {fault: self.counts[fault] for fault in FAULTS}

    def percentile(self, percent):
        """Milliseconds."""
        ordered = sorted(self.times)
        return 1000 * ordered[int(len(ordered) * percent / 100)] if ordered else 0
