"""A person at a browser: headless Chromium by Selenium. Waits for what appears, by the page's own events; never sleeps."""
import contextlib
import os
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
HANG_S = 3600       # only the guard of the whole test ends a wait
# The first visible element that an XPath means, as soon as there is one; or, with gone, when there is none any more.
AWAIT = """
const [xpath, root, gone, done] = arguments;
const look = () => {
    const found = document.evaluate(xpath, root ?? document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
    for (let i = 0; i < found.snapshotLength; i++)
        if (found.snapshotItem(i).checkVisibility({visibilityProperty: true}))
            return found.snapshotItem(i);
    return null;
};
const check = () => {
    if (root && !root.isConnected)
        throw new Error('what was looked into has gone: ' + root.outerHTML.slice(0, 200));
    const node = look();
    if (Boolean(node) === !gone) {
        observer.disconnect();
        done(node);
        return true;
    }
    return false;
};
const observer = new MutationObserver(check);
if (!check())
    observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""
# What a screen reader would have no name for, ids that are there twice, labels that lead nowhere, images without a text.
FAULTS = """
const shown = (node) => node.checkVisibility({visibilityProperty: true});
const text = (ids) => (ids ?? '').split(/\\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join('');
const name = (node) => [node.getAttribute('aria-label'), text(node.getAttribute('aria-labelledby')), ...[...node.labels ?? []].map((l) => l.textContent),
    node.title, node.alt, /^(BUTTON|A|SUMMARY)$/.test(node.tagName) ? node.textContent : ''].join('').trim();
const say = (node) => node.outerHTML.slice(0, 160);
const faults = [];
for (const node of document.querySelectorAll('a[href], button, input, select, textarea, summary, img:not([alt]), [role=img]'))
    if (shown(node) && !name(node)) faults.push('no name: ' + say(node));
const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push('id twice: ' + id);
for (const node of document.querySelectorAll('label[for]'))
    if (shown(node) && !document.getElementById(node.htmlFor)) faults.push('label of nothing: ' + say(node));
if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
if (!document.querySelector('main')) faults.push('no main');
if (document.documentElement.scrollWidth > innerWidth + 1) faults.push('wider than the window: ' + document.documentElement.scrollWidth);
return faults;
"""


def quoted(text):
    return f"'{text}'" if "'" not in text else f'"{text}"'


class Browser:
    def __init__(self, home, size="desktop", dark=False):
        """home: http://host:port"""
        self.home, self.size = home, size
        self.profile = tempfile.TemporaryDirectory(prefix="sambar-browser-")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        width, height = SIZES[size]
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB",
                         f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}"):
            options.add_argument(argument)
        if size == "phone":
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2, "touch": True}})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(HANG_S)
        features = {"prefers-reduced-motion": "reduce", "prefers-color-scheme": "dark" if dark else "light"}     # pictures of what has come to rest
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": name, "value": value} for name, value in features.items()]})

    def end(self):
        self.driver.quit()
        self.profile.cleanup()

    # ---- where ----

    def open(self, path="/"):
        """Goes to a path of the site; one that only differs in what follows # is no new load."""
        self.driver.get(self.home + path)

    def leave(self):
        """Leaves the site: what is opened next is a new load."""
        self.driver.get("about:blank")

    # ---- what is there ----

    def find(self, xpath, root=None):
        """The first visible element, as soon as it is there."""
        return self.driver.execute_async_script(AWAIT, xpath, root, False)

    def gone(self, xpath, root=None):
        self.driver.execute_async_script(AWAIT, xpath, root, True)

    def text(self, text, root=None):
        """The innermost element that holds a text."""
        return self.find(f".//*[not(self::option)][contains(normalize-space(.), {quoted(text)})][not(*[contains(normalize-space(.), {quoted(text)})])]", root)

    def is_there(self, xpath):
        return any(element.is_displayed() for element in self.driver.find_elements(By.XPATH, xpath))

    # ---- what is done ----

    def click(self, element):
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, label, root=None):
        """Presses a button or link by its text or its name for screen readers."""
        named = f"[normalize-space(.)={quoted(label)} or @aria-label={quoted(label)}]"
        while True:
            try:
                self.click(self.find(f".//*[self::button or self::a or self::summary]{named}[not(@disabled)]", root))
                return
            except StaleElementReferenceException:      # the page was drawn anew in between: nothing was pressed
                if root:
                    raise

    def field(self, label, root=None):
        """The control that a label stands for, or that has it as its name."""
        return self.find(f".//*[@id=//label[normalize-space(.)={quoted(label)}]/@for] | .//*[self::input or self::select or self::textarea][@aria-label={quoted(label)}]"
                         f" | .//label[starts-with(normalize-space(.), {quoted(label)})]//input", root)

    def fill(self, label, text, root=None):
        control = self.field(label, root)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'}); arguments[0].select()", control)
        control.send_keys(text)
        return control

    def choose(self, label, value, root=None):
        control = self.field(label, root)
        self.click(control.find_element(By.XPATH, f".//option[@value={quoted(value)}]"))

    def dialog(self, title):
        """The open dialog with this title."""
        return self.find(f"//dialog[@open][.//h2[normalize-space(.)={quoted(title)}]]")

    # ---- what is looked at ----

    def shot(self, name):
        """A picture of the window, when SCREENSHOTS names a folder."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            os.makedirs(folder, exist_ok=True)
            self.driver.save_screenshot(os.path.join(folder, f"{name}-{self.size}.png"))

    def faults(self):
        """What makes the page hard to use without eyes or on a small screen."""
        return self.driver.execute_script(FAULTS)

    def complaints(self):
        """What the page's scripts and its policy have complained of since the last call; refused requests are none."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]]


@contextlib.contextmanager
def browsing(home, **options):
    browser = Browser(home, **options)
    try:
        yield browser
    finally:
        browser.end()
