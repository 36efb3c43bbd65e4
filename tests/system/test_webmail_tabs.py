"""WebMail in many tabs of one browser: they share one event stream, and one login."""
import pytest

from browser import browsing
from sambar import Instance
from webmail import COMPOSER, go, home, letter, log_in, read_message, row

TABS = 8        # a browser opens six connections to a server over HTTP/1.1


@pytest.fixture(scope="module")
def one():
    made = Instance(users=("ann", "bob"))
    made.send(letter("The first", "Good morning"))
    made.wait_mailbox("ann", 1)
    yield made
    assert made.end() == []


@pytest.fixture(scope="module")
def browser(one):
    """Its tests close tabs, and log in anew at last."""
    with browsing(home(one)) as made:
        log_in(made, "ann")
        row(made, "The first")
        for _ in range(TABS - 1):
            made.driver.switch_to.new_window("tab")
            made.open("/#/mail")
            row(made, "The first")
        yield made
        assert made.complaints() == []


def each_tab(browser):
    for window in browser.driver.window_handles:
        browser.driver.switch_to.window(window)
        yield window


def tabs_that_lead(browser):
    """As the browser knows: how many tabs hold the lock, and how many wait for it."""
    return browser.driver.execute_async_script(
        "const done = arguments[0]; navigator.locks.query().then(({ held, pending }) => done([held.length, pending.length]))")


def test_all_tabs_are_told(browser, one):
    assert tabs_that_lead(browser) == [1, len(browser.driver.window_handles) - 1]
    one.send(letter("For everybody", "In each tab"))
    for _ in each_tab(browser):
        row(browser, "For everybody")
    read_message(browser, "For everybody")
    for _ in each_tab(browser):
        browser.find("//*[@role='option'][contains(., 'For everybody')][not(contains(@class, 'unread'))]")
        go(browser, "Sent")
        go(browser, "Inbox")


def test_another_tab_leads(browser, one):
    leader, *rest = browser.driver.window_handles
    browser.driver.switch_to.window(leader)
    browser.driver.close()
    browser.driver.switch_to.window(rest[0])
    one.send(letter("After the leader", "Is it still told?"))
    for _ in each_tab(browser):
        row(browser, "After the leader")
    assert tabs_that_lead(browser) == [1, len(rest) - 1]
    # One that reloads, or goes elsewhere, hands over as well.
    browser.driver.switch_to.window(rest[0])
    browser.leave()
    one.send(letter("Once more", "Is it still told?"))
    for window in each_tab(browser):
        if window != rest[0]:
            row(browser, "Once more")
    browser.driver.switch_to.window(rest[0])
    browser.open("/#/mail")
    row(browser, "Once more")


def the_leader(browser):
    """Its window, which is in front then."""
    mine = "const done = arguments[0]; navigator.locks.request('me', () => navigator.locks.query()).then(({ held }) => " \
           "done(held.filter(({ clientId }) => clientId === held.find(({ name }) => name === 'me').clientId).length === 2))"
    return next(window for window in each_tab(browser) if browser.driver.execute_async_script(mine))


def all_are_told(browser, one, subject):
    one.send(letter(subject, "Is it still told?"))
    for _ in each_tab(browser):
        row(browser, subject)
    assert tabs_that_lead(browser) == [1, len(browser.driver.window_handles) - 1]


def test_a_leader_that_the_browser_stops(browser, one):
    leader = the_leader(browser)
    browser.driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "frozen"})
    one.send(letter("While the leader sleeps", "Is it still told?"))
    for window in browser.driver.window_handles:
        if window != leader:
            browser.driver.switch_to.window(window)
            row(browser, "While the leader sleeps")
    assert the_leader(browser) != leader
    browser.driver.switch_to.window(leader)
    browser.driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "active"})
    all_are_told(browser, one, "Awake again")


def test_a_leader_that_says_nothing(browser, one):
    """Where a browser stops tabs without a word: the tab that is looked at takes the lead."""
    leader = the_leader(browser)
    browser.driver.execute_script("window.post = BroadcastChannel.prototype.postMessage; BroadcastChannel.prototype.postMessage = () => {}")
    other = next(window for window in browser.driver.window_handles if window != leader)
    browser.driver.switch_to.window(other)
    browser.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    one.send(letter("Without a word", "Is it still told?"))
    row(browser, "Without a word")
    assert the_leader(browser) == other
    browser.driver.switch_to.window(leader)
    browser.driver.execute_script("BroadcastChannel.prototype.postMessage = window.post")
    all_are_told(browser, one, "All together")


def test_a_letter_waits_for_its_writer(browser):
    """Who logs out in one tab has it out of sight in the other, until he is there again."""
    first, second = browser.driver.window_handles[:2][:2]
    browser.driver.switch_to.window(first)
    browser.press("New message")
    browser.fill("Subject", "Not for everybody", browser.find(COMPOSER))
    browser.driver.switch_to.window(second)
    browser.press("Account: ann")
    browser.click(browser.find("//*[@role='menuitem'][contains(., 'Log out')]"))
    browser.text("You are logged out.")
    browser.driver.switch_to.window(first)
    browser.text("You are logged out.")
    browser.gone(COMPOSER)
    browser.driver.switch_to.window(second)
    log_in(browser, "ann")
    browser.driver.switch_to.window(first)
    window = browser.find(COMPOSER)
    assert browser.field("Subject", window).get_property("value") == "Not for everybody"
    browser.press("Discard", window)
    browser.press("Discard", browser.find("//dialog"))
    browser.gone(COMPOSER)


def test_one_login_for_all_tabs(browser):
    browser.press("Account: ann")
    browser.click(browser.find("//*[@role='menuitem'][contains(., 'Log out')]"))
    for _ in each_tab(browser):
        browser.text("You are logged out.")
    assert tabs_that_lead(browser) == [0, 0]
    log_in(browser, "bob")
    for _ in each_tab(browser):
        browser.find("//button[@aria-label='Account: bob']")


def test_nothing_to_press_is_left_of_another_user(browser):
    first, second = browser.driver.window_handles[:2]
    browser.driver.switch_to.window(second)
    browser.press("New folder")
    browser.find("//dialog")
    browser.driver.switch_to.window(first)
    browser.driver.delete_all_cookies()
    browser.driver.refresh()
    log_in(browser, "ann")
    browser.driver.switch_to.window(second)
    browser.find("//button[@aria-label='Account: ann']")
    browser.gone("//dialog")
