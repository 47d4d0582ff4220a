"""A line for each check, and at the end how many there were of both kinds."""

import time
import traceback


class Report:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = 0

    def check(self, what, check, *arguments):
        """Calls `check`; whatever it raises is a failure, and the next check goes on."""
        began = time.monotonic()
        try:
            check(*arguments)
        except Exception as error:
            self.failed += 1
            told = "".join(traceback.format_exception(error, chain=False))
            print(f"{what} ... FAILED\n{told}", flush=True)
        else:
            self.passed += 1
            print(f"{what} ... ok ({time.monotonic() - began:.0f} s)", flush=True)

    def end(self):
        """The status to exit with. A run that checked nothing has failed."""
        print(f"{self.name}: {self.passed} passed, {self.failed} failed")
        return 0 if self.passed and not self.failed else 1
