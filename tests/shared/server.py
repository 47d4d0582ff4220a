"""The real program by itself, as whoever tries it out starts it."""

import tempfile

from checks import Started
from node import Node

PASSWORD = "correct horse battery staple"
# Of PASSWORD, with the least that Argon2 can do.
CHEAP_HASH = "$argon2id$v=19$m=8,t=1,p=1$U4Q4j1ipmybvwuYyLfdt+Q$ZC53lNzmCWYSxK0FQQg/9pjj0QXWmTuupy3Yp+qtkVU"
NEW_PASSWORD = "seven quiet lanterns drift"


class Server(Started, Node):
    """`with Server(binary, setting=…) as server:` gives one in a folder of its own, on SQLite, without an account."""

    def __init__(self, binary, **settings):
        self.place = tempfile.TemporaryDirectory(prefix="hallpass-")
        super().__init__(binary, self.place.name, **settings)

    def begin(self):
        self.start()
        self.setup_link = self.said("/setup?token=")

    def __exit__(self, fault, *_):
        try:
            if fault is None:
                self.terminate()
                assert not self.faults(), f"faults in the log: {self.faults()}"
            else:
                print(*self.faults(), sep="\n")
        finally:
            self.end()
            self.place.cleanup()

    def faults(self):
        """What the log holds of errors and panics."""
        return [line for line in list(self.log) if line["level"] == "ERROR" or line.get("status", 0) >= 500]
