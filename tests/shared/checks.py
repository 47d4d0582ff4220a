"""What checks are made of."""

import sys
import time

# Seconds, on a slow machine.
PATIENCE = 60


def equal(seen, expected, what):
    assert seen == expected, f"{what}: {seen!r}, expected {expected!r}"


class Started:
    """For `with`: calls `begin`, and `__exit__` also if that fails, which Python itself does not."""

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self


def wait_until(holds, what, evidence=lambda: ""):
    """What `holds` returns as soon as that is something; if it never is, `evidence` tells what there was instead."""
    end = time.monotonic() + PATIENCE
    while not (held := holds()):
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} seconds\n{evidence()}"
        time.sleep(0.05)
    return held
