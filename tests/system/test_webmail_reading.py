"""What strangers' HTML may do in WebMail, to the page and to the printer: nothing but look as it does."""
import contextlib

import pytest
from selenium.webdriver.common.by import By

from browser import browsing
from sambar import Instance
from webmail import home, inbox, letter, log_in, multipart, read_message

HTML = "Content-Type: text/html; charset=utf-8"
FRAME_MOST = 50000      # pixels; html_frame.js
HOSTILE = (b"<html><head><base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example/'></head>"
           b"<body onload=\"parent.postMessage({height: 77}, '*')\"><style>div { height: 9000000px }</style>"
           b"<script>top.document.title = 'owned'; parent.postMessage({height: 77}, '*')</script><h1>Harbour</h1>"
           b"<img src=x onerror=\"parent.postMessage({height: 77}, '*')\"><a href=\"javascript:parent.postMessage({height: 77}, '*')\">bad</a>"
           b"<form action='https://evil.example/' method=post><input name=a><button>Send</button></form><div>tall</div></body></html>")
# Hides and moves all it can, and says that it is from somebody else.
FORGED = (b"<style>html { margin-top: -400px; opacity: .1 } body { display: flex; flex-direction: column-reverse; margin-top: -300px }"
          b"html, body, div { text-decoration: line-through 60px #fff; outline: 300px solid #fff; outline-offset: -300px }"
          b"div::first-line, b:first-line { text-decoration: line-through 60px #fff } div::first-letter { float: left; padding: 0 0 90px 900px }"
          b"* { direction: rtl !important; unicode-bidi: bidi-override !important }"
          b"div, b, bdi { display: none !important; visibility: hidden !important } p { margin-top: -120px; background: #fff; outline: 40px solid #fff }</style>"
          b"<p>From: The bank<br>of<br>somewhere</p>")
ELASTIC = b"<style>html, body { height: 100%; padding: 20px; margin: 0 }</style><p>As high as the frame, and more.</p>"
# Of two heights, each of which asks for the other.
RESTLESS = b"<style>@media (min-height: 500px) { div { height: 100px } } @media (max-height: 499px) { div { height: 900px } }</style><div>restless</div>"
STILL = """
const done = arguments[0];
let height = 0, same = 0, changes = 0;
const look = () => {
    same = innerHeight === height ? same + 1 : 0;
    if (innerHeight !== height && ++changes > 200)
        return done(1e6);
    height = innerHeight;
    same > 30 && document.readyState === 'complete' ? done(height) : requestAnimationFrame(look);
};
look();
"""
FITS = """
const done = arguments[0];
const look = () => (document.readyState === 'complete' && document.documentElement.scrollHeight <= innerHeight ? done(innerHeight) : requestAnimationFrame(look));
look();
"""


@pytest.fixture(scope="module")
def one():
    made = Instance(users=("ann",))
    made.send(letter("Short", b"<h1>Hello</h1>", HTML))
    made.send(letter("Long", b"<p>a line</p>" * 300, HTML))
    made.send(letter("Hostile", HOSTILE, HTML))
    made.send(letter("Elastic", ELASTIC, HTML))
    made.send(letter("Restless", RESTLESS, HTML))
    field, body = multipart("mixed", HTML.encode() + b"\r\n\r\n" + FORGED,
                            b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=minutes.txt\r\n\r\nAll agreed.")
    made.send(letter("Forged", body, field, "Cc: carl@example.test"))
    made.wait_mailbox("ann", 6)
    yield made
    assert made.end() == []


@pytest.fixture(scope="module")
def signed_in(one):
    with browsing(home(one)) as browser:
        log_in(browser, "ann")
        yield browser


@pytest.fixture
def ann(signed_in):
    """Ann at the Inbox; there is no complaint of a script or of the content policy."""
    signed_in.leave()
    inbox(signed_in)
    yield signed_in
    assert signed_in.complaints() == []


@contextlib.contextmanager
def inside(browser, frame):
    browser.driver.switch_to.frame(frame)
    try:
        yield browser.driver
    finally:
        browser.driver.switch_to.default_content()


@pytest.mark.parametrize("subject, least, most", [("Short", 48, 200), ("Long", 5000, 20000)])
def test_the_frame_is_as_high_as_its_contents(ann, subject, least, most):
    read_message(ann, subject)
    with inside(ann, ann.find("//iframe[contains(@style, 'height')]")) as driver:
        assert least <= driver.execute_async_script(FITS) <= most
    ann.shot("frame-" + subject.lower())
    assert ann.faults() == []


@pytest.mark.parametrize("subject", ["Elastic", "Restless"])
def test_contents_that_never_fit_end(ann, subject):
    read_message(ann, subject)
    with inside(ann, ann.find("//iframe[contains(@style, 'height')]")) as driver:
        assert driver.execute_async_script(STILL) < 5000


def test_nothing_of_a_letter_runs(ann):
    read_message(ann, "Hostile")
    frame = ann.find(f"//iframe[contains(@style, 'height: {FRAME_MOST + 2}px')]")       # with its borders
    assert frame.get_attribute("sandbox") == "allow-scripts allow-popups allow-popups-to-escape-sandbox"
    assert "Inbox" in ann.driver.title
    with inside(ann, frame) as driver:
        assert driver.find_element(By.TAG_NAME, "h1").text == "Harbour"
        assert driver.execute_script("return [self.origin, location.hostname]") == ["null", "127.0.0.1"]
        assert driver.execute_script("try { return String(parent.document); } catch (error) { return error.name; }") == "SecurityError"
        assert driver.execute_script("return document.querySelectorAll('form, input, button, meta[http-equiv], base[href], [onload], [onerror], a[href^=java]').length") == 0
        assert driver.execute_script("return document.scripts.length") == 1
        ran = "const mine = document.createElement('script'); mine.textContent = 'window.ran = 1'; document.body.append(mine); return window.ran ?? 0"
        assert driver.execute_script(ran) == 0
        driver.execute_script("document.body.setAttribute('onclick', 'window.ran = 1'); document.body.click(); const form = document.createElement('form');"
                              "form.action = 'https://evil.example/'; document.body.append(form); form.submit();")
        assert driver.execute_script("return [window.ran ?? 0, location.hostname]") == [0, "127.0.0.1"]
    assert frame.get_attribute("style") == f"height: {FRAME_MOST + 2}px;"


def test_print(ann):
    read_message(ann, "Forged")
    ann.press("More", ann.find("//article"))
    ann.click(ann.find("//*[@role='menuitem'][contains(., 'Print')]"))
    frame = ann.driver.find_element(By.CLASS_NAME, "print-frame")
    assert frame.get_attribute("sandbox") == "allow-scripts allow-modals"
    address = frame.get_attribute("src").removeprefix(ann.home)
    assert "print=1" in address and "remote" not in address
    # The same document, where one can see it; the dialog is not opened, but noted.
    ann.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "window.print = () => { document.body.dataset.printed = 1; }"})
    ann.open(address)
    ann.find("//body[@data-printed]")
    assert ann.driver.title == "Forged"
    ann.shot("print")
    lines = [line.text for line in ann.driver.find_elements(By.XPATH, "//body/div[1]/div")]
    assert lines == ["From: Bob Ortega <bob@example.test>", "To: Ann <ann@example.test>", "Cc: carl@example.test", "Date: Thu, 26 Nov 2026 09:00:00 +0000",
                     "Subject: Forged", "Attachments: minutes.txt"]
    # Each line is what one sees at its place: nothing is moved away or covered.
    assert ann.driver.execute_script("""return [...document.querySelectorAll('body > div:first-child > div')].every((line) => {
        const { left, top, height } = line.querySelector('bdi').getBoundingClientRect();
        return top >= 0 && line.contains(document.elementFromPoint(left + 3, top + height / 2)) && getComputedStyle(line).color === 'rgb(28, 28, 28)';
    });""")
    head = ann.driver.find_element(By.XPATH, "//body/div[1]")
    seen = head.screenshot_as_png
    ann.driver.execute_script("document.querySelectorAll('body style').forEach((style) => style.remove())")
    assert head.screenshot_as_png == seen
    assert ann.driver.execute_script("return self.origin") == "null"
