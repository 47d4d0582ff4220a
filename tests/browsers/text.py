"""A visitor's journey in a text browser."""

import time

from program import Program
from server import NEW_PASSWORD, PASSWORD

EMAIL = "tess@example.org"


def journey(browser, server, short):
    def pause():
        # Long enough that the access token has expired: what follows must rotate.
        if short:
            time.sleep(2.5)

    browser.wait_for("Log in once. Stay logged in.")
    browser.follow("Register")
    browser.wait_for("At least 15 characters")
    browser.fill("Name", "Tess")
    browser.fill("E-mail", EMAIL)
    browser.fill("Password", "too short")
    browser.press("Register")
    browser.wait_for("There is a problem", "Tess", EMAIL)
    browser.fill("Password", PASSWORD)
    browser.press("Register")
    browser.wait_for("Your account", EMAIL, "You are logged in on this device only.")
    browser.press("Log out")
    browser.wait_for("Log in once. Stay logged in.")

    browser.open(server.url + "/account/sessions")
    browser.wait_for("Keep me logged in")
    browser.fill("E-mail", EMAIL)
    browser.fill("Password", "not my password at all")
    browser.press("Log in")
    browser.wait_for("The e-mail address or the password is not right")
    browser.fill("Password", PASSWORD)
    browser.tick("Keep me logged in")
    browser.press("Log in")
    # Where the visitor had wanted to go.
    browser.wait_for("Where you are logged in", browser.NAME, "This device", "Recent activity")
    assert "when the browser closes" not in browser.screen(), "not remembered"

    if short:
        stay_logged_in(browser, server)

    other = Program(server.url, "curl/8.5.0")
    other.log_in(EMAIL, PASSWORD)
    pause()
    browser.open(server.url + "/account")
    browser.wait_for("Your account", "2 sessions are open")
    pause()
    browser.fill("Name", "Tess of the Lanterns")
    pause()
    browser.press("Save name")
    browser.wait_for("Your name is saved.", "Logged in as Tess of the Lanterns")
    browser.follow("Devices and sessions")
    browser.wait_for("Where you are logged in", "curl", browser.NAME, "This device")
    assert other.is_logged_in()
    pause()
    browser.press("End session")
    browser.wait_for("The session has ended.", "A session was ended.")
    assert not other.is_logged_in(), "the other device is still logged in"
    assert "curl" not in browser.screen().split("Recent activity")[0], "the ended session is still listed"

    other.log_in(EMAIL, PASSWORD)
    browser.open(server.url + "/account")
    browser.wait_for("Your account", "2 sessions are open")
    browser.fill("Current password", PASSWORD)
    browser.fill("New password", NEW_PASSWORD)
    pause()
    browser.press("Change password")
    browser.wait_for("Your password is changed.", "You are logged in on this device only.")
    assert not other.is_logged_in(), "a changed password left the other device logged in"

    pause()
    browser.open(server.url + "/nowhere")
    browser.wait_for("Error 404", "There is no such page", "Your account")
    pause()
    browser.press("Log out")
    browser.wait_for("Log in once. Stay logged in.")
    browser.open(server.url + "/account")
    browser.wait_for("Keep me logged in")


def stay_logged_in(browser, server):
    """Longer than any one refresh token lives: it must have been replaced, and the browser must have kept it."""
    began = time.monotonic()
    pages = 0
    while time.monotonic() - began < SHORT["refresh_token_ttl_seconds"] + 3:
        time.sleep(2.5)
        browser.open(f"{server.url}/account?page={pages}")
        browser.wait_for("Your account", EMAIL)
        pages += 1
    assert len(server.requests("GET", "/account")) >= pages, "pages came from the browser's cache"


SHORT = {"access_token_ttl_seconds": 2, "refresh_token_ttl_seconds": 20}
