"""A visitor's journey in Chromium without scripts."""

import time

from checks import equal
from program import Program
from server import NEW_PASSWORD, PASSWORD

ADMIN = "ada@example.org"
EMAIL = "bea@example.org"
DAY = 24 * 60 * 60
SHORT = {"access_token_ttl_seconds": 2}


def journey(browser, server, short):
    Journey(browser, server, short).run()


class Journey:
    def __init__(self, browser, server, short):
        self.browser, self.server, self.short = browser, server, short

    def run(self):
        self.scripts_are_off()
        self.set_up()
        self.register()
        self.log_in_and_be_kept_logged_in()
        self.change_name()
        self.change_password()
        self.end_another_session()
        self.see_error_pages()
        self.log_out()

    def pause(self):
        """Long enough that the access token has expired: what follows must rotate."""
        if self.short:
            time.sleep(2.5)

    def at(self, path, heading):
        browser = self.browser
        equal(browser.url(), self.server.url + path, "address")
        equal(browser.text("main h1"), heading, "heading")
        equal(browser.find_all("script"), [], "scripts in the page")
        # The stylesheet was taken.
        equal(browser.css(".site-header", "display"), "flex", "layout of the head")
        # Nothing was tried that the content policy forbids; that a page was answered 404 or 422 is no fault.
        faults = [entry for entry in browser.console() if (entry["source"], entry["level"]) != ("network", "SEVERE")]
        faults = [entry for entry in faults if entry["level"] != "INFO"]
        equal(faults, [], "console")

    def tokens(self, remembered):
        """Access and refresh token, after a look at every cookie's attributes."""
        cookies = self.browser.cookies()
        equal(sorted(cookies), ["access_token", "browser", "refresh_token"], "cookies")
        for cookie in cookies.values():
            equal((cookie["httpOnly"], cookie["sameSite"], cookie["path"]), (True, "Lax", "/"), str(cookie))
            # http on this machine: the only place where they are not Secure.
            equal((cookie["secure"], cookie["domain"]), (False, "localhost"), str(cookie))
            assert len(cookie["name"]) + len(cookie["value"]) < 1024, cookie
        access, refresh = cookies["access_token"], cookies["refresh_token"]
        equal(access.get("expiry"), refresh.get("expiry"), "ends of the two token cookies")
        if remembered:
            left = refresh["expiry"] - time.time()
            assert 29 * DAY < left <= 30 * DAY + 60, left
        else:
            assert "expiry" not in refresh, refresh
        return access["value"], refresh["value"]

    def acknowledged(self):
        """How often the confirming image was asked for, each time successfully."""
        seen = self.server.requests("GET", "/session/ack")
        assert all(line["status"] == 200 for line in seen), seen
        return len(seen)

    def scripts_are_off(self):
        browser = self.browser
        browser.open("data:text/html,<title>off</title><script>document.title='on'</script>")
        equal(browser.title(), "off", "scripts")

    def set_up(self):
        browser, server = self.browser, self.server
        browser.open(server.setup_link)
        equal(browser.text("main h1"), "Set up Hallpass", "heading")
        browser.fill(name="Ada", email=ADMIN, password=PASSWORD)
        browser.button("Make the administrator")
        self.at("/account", "Your account")
        assert "You are an administrator." in browser.text("main")
        self.tokens(remembered=False)
        # They came with a redirect: the page that it led to has confirmed them.
        equal(self.acknowledged(), 0, "confirmations after the first log-in")
        browser.button("Log out", within="header")
        self.at("/", "Log in once. Stay logged in.")
        equal(sorted(browser.cookies()), ["browser"], "cookies after log-out")
        browser.open(server.setup_link)
        equal(browser.text("main h1"), "There is no such page", "heading of a used set-up link")

    def register(self):
        browser = self.browser
        browser.link("Register")
        self.at("/register", "Register")
        browser.fill(name="Bea", email=EMAIL, password="short")
        browser.button("Register")
        equal(browser.text("main h2"), "There is a problem", "summary")
        assert browser.title().startswith("Error: "), browser.title()
        equal(browser.property("#email", "value"), EMAIL, "the address that was typed")
        equal(browser.property("#password", "value"), "", "the password that was typed")
        browser.click(".error-summary a")
        equal(browser.focused(), "password", "where the summary leads")
        browser.fill(password=PASSWORD)
        browser.button("Register")
        self.at("/account", "Your account")
        assert EMAIL in browser.text("main") and "administrator" not in browser.text("main")
        browser.link("Devices and sessions")
        browser.button("Log out")
        self.at("/", "Log in once. Stay logged in.")

    def log_in_and_be_kept_logged_in(self):
        browser, server = self.browser, self.server
        browser.open(server.url + "/account/sessions")
        equal(browser.text("main h1"), "Log in", "heading")
        browser.fill(email=EMAIL, password="not my password at all")
        browser.button("Log in")
        assert "is not right" in browser.text(".error-summary")
        browser.fill(password=PASSWORD)
        browser.click("label[for=remember]")
        browser.button("Log in")
        # Where the visitor had wanted to go.
        self.at("/account/sessions", "Devices and sessions")
        assert "Chrome on Linux" in browser.text("main .rows") and "This device" in browser.text("main .rows")
        before = self.tokens(remembered=True)
        seen = self.acknowledged()
        self.pause()
        browser.open(server.url + "/account")
        self.at("/account", "Your account")
        after = self.tokens(remembered=True)
        rotated = 1 if self.short else 0
        equal(before[1] != after[1], self.short, "a new refresh token")
        equal(self.acknowledged() - seen, rotated, "confirmations of the new tokens")

    def change_name(self):
        browser = self.browser
        browser.fill(name="Beatrice")
        before = self.tokens(remembered=True)
        self.pause()
        browser.button("Save name")
        self.at("/account?saved=name", "Your account")
        equal(browser.text(".notice"), "Your name is saved.", "notice")
        assert "Beatrice" in browser.text("header")
        equal(self.tokens(remembered=True)[1] != before[1], self.short, "a new refresh token")

    def change_password(self):
        browser, server = self.browser, self.server
        other = Program(server.url, "curl/8.5.0")
        other.log_in(EMAIL, PASSWORD)
        browser.fill(current_password=PASSWORD, new_password=NEW_PASSWORD)
        self.pause()
        browser.button("Change password")
        self.at("/account?saved=password", "Your account")
        assert "Your other sessions have ended." in browser.text(".notice")
        assert not other.is_logged_in(), "a changed password left the other device logged in"

    def end_another_session(self):
        browser, server = self.browser, self.server
        other = Program(server.url, "curl/8.5.0")
        other.log_in(EMAIL, NEW_PASSWORD)
        browser.link("Devices and sessions")
        self.at("/account/sessions", "Devices and sessions")
        assert "curl" in browser.text("main .rows")
        assert other.is_logged_in()
        self.pause()
        browser.button("End session")
        self.at("/account/sessions?ended=one", "Devices and sessions")
        equal(browser.text(".notice"), "The session has ended.", "notice")
        assert "curl" not in browser.text("main .rows")
        assert not other.is_logged_in(), "the other device is still logged in"

    def see_error_pages(self):
        browser, server = self.browser, self.server
        self.pause()
        before = self.tokens(remembered=True)
        browser.open(server.url + "/nowhere")
        self.at("/nowhere", "There is no such page")
        equal(self.tokens(remembered=True)[1] != before[1], self.short, "a new refresh token")
        browser.link("Your account")
        self.at("/account", "Your account")
        too_long = "x" * 300
        browser.fill(name=too_long)
        browser.button("Save name")
        self.at("/account/profile", "Your account")
        equal(browser.text(".error-summary h2"), "There is a problem", "summary")
        equal(browser.property("#name", "value"), too_long, "the name that was typed")
        browser.open(server.url + "/account")
        self.at("/account", "Your account")
        assert "Beatrice" in browser.text("header")

    def log_out(self):
        browser, server = self.browser, self.server
        self.pause()
        browser.button("Log out", within="header")
        self.at("/", "Log in once. Stay logged in.")
        equal(sorted(browser.cookies()), ["browser"], "cookies after log-out")
        browser.open(server.url + "/account")
        self.at("/login?next=%2Faccount", "Log in")
