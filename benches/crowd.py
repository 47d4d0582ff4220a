"""Many browsers, each logged in to an account of its own and shown its page: what do they take of memory?"""

from concurrent.futures import ThreadPoolExecutor

from client import Api
from contenders import NUMBERED_EMAIL, Hallpass
from node import CHEAP
from server import PASSWORD

# At once, and of one address: fewer than strangers may be.
AT_ONCE = 8


class Crowd(Hallpass):
    def __init__(self, binary, folder):
        super().__init__(binary, folder, "crowd", **CHEAP)

    def visit(self, number):
        with ThreadPoolExecutor(AT_ONCE) as visitors:
            for _ in visitors.map(self._visit_by, range(number)):
                pass

    def _visit_by(self, number):
        email = NUMBERED_EMAIL % number
        tokens = Api(self.url).log_in(email, PASSWORD)
        _, page = self.page(f"access_token={tokens['access_token']}; refresh_token={tokens['refresh_token']}")
        assert email.encode() in page, f"the page of {email} was that of somebody else"
