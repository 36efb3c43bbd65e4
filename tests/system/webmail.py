"""WebMail's pages for tests: letters to look at, and what a person does with them in a Browser."""
import base64
import struct
import zlib

from selenium.webdriver.common.action_chains import ActionChains

COMPOSER = "//section[contains(@class, 'composer')]"


def picture(width=48, height=48):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"\x20\x80\xd0" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


PNG = base64.encodebytes(picture()).replace(b"\n", b"\r\n")


def letter(subject, body, *fields, sender="Bob Ortega <bob@example.test>", to="Ann <ann@example.test>"):
    head = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", "Date: Thu, 26 Nov 2026 09:00:00 +0000",
            "MIME-Version: 1.0", *fields]
    if not any(field.startswith("Message-ID:") for field in fields):
        head.append(f"Message-ID: <{zlib.crc32(subject.encode())}@example.test>")
    if not any(field.lower().startswith("content-type") for field in fields):
        head.append("Content-Type: text/plain; charset=utf-8")
    return "\r\n".join([*head, "", ""]).encode() + (body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()) + b"\r\n"


def multipart(kind, *parts):
    """(the field, the body)"""
    mark = f"=_{kind}_of_the_test"
    body = b"".join(b"--" + mark.encode() + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + mark.encode() + b"--\r\n"
    return f'Content-Type: multipart/{kind}; boundary="{mark}"', body


def home(instance):
    return f"http://127.0.0.1:{instance.port('HTTP')}"


def log_in(browser, user, password=None):
    browser.open("/")
    browser.fill("User name", user)
    browser.fill("Password", password or f"{user}-secret")
    browser.press("Log in")
    browser.find("//button[contains(@class, 'account')]")


def inbox(browser):
    browser.open("/#/mail")
    browser.find("//h1[starts-with(normalize-space(.), 'Inbox')]")


def row(browser, subject):
    return browser.find(f"//*[@role='option'][contains(@class, 'row')][.//*[contains(@class, 'row-subject')][contains(., {subject!r})]]")


def read_message(browser, subject):
    browser.click(row(browser, subject))
    browser.find(f"//article//h2[contains(., {subject!r})]")
    return browser.find("//article//*[contains(@class, 'card-body')]")


def keys(browser, *those):
    ActionChains(browser.driver).send_keys(*those).perform()


def composer(browser):
    return browser.find(COMPOSER)


def write(browser, to, subject, text):
    """A message in its window, not yet sent."""
    browser.press("New message")
    window = composer(browser)
    field = browser.find(".//input[@role='combobox']", window)
    field.send_keys(to, ",")
    browser.find(".//*[contains(@class, 'person-chip')]", window)
    browser.fill("Subject", subject, window)
    browser.field("Text of the message", window).send_keys(text)
    return window


def go(browser, folder):
    browser.click(browser.find(f"//nav//a[contains(@class, 'folder')][normalize-space(./span[1])={folder!r}]"))
    browser.find(f"//h1[starts-with(normalize-space(.), {folder!r})]")


def shut_notices(browser):
    browser.driver.execute_script("document.querySelectorAll('.toast .icon-button').forEach((node) => node.click())")
