"""WebMail in the browser: each thing done as a person does it, with the real programs behind it."""
import base64
import email
import email.policy
import io
import os
import re
import zipfile

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import browsing
from sambar import TOP, Instance, read
from web import Web
from webmail import COMPOSER, PNG, composer, go, home, inbox, keys, letter, log_in, multipart, read_message, row, shut_notices, write

MANY = 3000


HTML = (b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><h1>Harbour Electricity</h1><p>Your <b>invoice</b> is ready.</p>"
        b"<img src=\"cid:logo\" alt=\"logo\"><img src=\"https://tracker.example/pixel.png\" alt=\"far\"><script>document.title='owned'</script>"
        b"<a href=\"javascript:alert(1)\">bad</a><a href=\"https://billing.example/1\">good</a></body></html>")
INLINE = b"Content-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + PNG


def minutes():
    field, body = multipart("mixed", b"Content-Type: text/plain\r\n\r\nThe minutes are attached.",
                            b"Content-Type: text/plain; name=minutes.txt\r\nContent-Disposition: attachment; filename=minutes.txt\r\n\r\nAll agreed.",
                            b"Content-Type: image/png\r\nContent-Disposition: attachment; filename=roof.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + PNG)
    return letter("Minutes of the meeting", body, field)


def invoice():
    field, body = multipart("related", HTML, INLINE)
    return letter("Your invoice", body, field, sender="Billing <billing@example.test>")


@pytest.fixture(scope="module")
def one():
    made = Instance(users=("ann", "bob", "carl", "dora"))
    made.send(letter("Lunch on Thursday", "Hi Ann,\n\nsee https://harbour.example/menu?a=1&b=2 (the menu).\nWrite to kitchen@harbour.example.\n\n> quoted words\n"))
    made.send(invoice())
    made.send(minutes())
    made.wait_mailbox("ann", 3)
    yield made
    assert made.end() == []


@pytest.fixture(scope="module")
def ann(one):
    """Ann at her desk."""
    with browsing(home(one)) as browser:
        log_in(browser, "ann")
        yield browser


@pytest.fixture(autouse=True)
def at_the_inbox(request):
    """Each test begins at the Inbox, and leaves no complaint of a script or of the content policy."""
    if "ann" not in request.fixturenames:
        yield
        return
    browser = request.getfixturevalue("ann")
    browser.leave()
    inbox(browser)
    yield
    assert browser.complaints() == []


# ---- coming and going ----

def test_log_in(one):
    with browsing(home(one)) as browser:
        browser.open("/")
        browser.fill("User name", "ann")
        browser.fill("Password", "wrong")
        browser.shot("login")
        assert browser.faults() == []
        browser.press("Log in")
        assert browser.find("//*[@role='alert'][normalize-space(.)]").text
        log_in(browser, "ann")
        browser.press("Account: ann")
        browser.click(browser.find("//*[@role='menuitem'][contains(., 'Log out')]"))
        browser.text("You are logged out.")
        assert browser.complaints() == []


# ---- reading ----

def test_list_and_plain_text(ann):
    row(ann, "Lunch on Thursday")
    ann.shot("list")
    assert ann.faults() == []
    body = read_message(ann, "Lunch on Thursday")
    link = ann.find(".//a[starts-with(@href, 'https:')]", body)
    assert link.text == link.get_attribute("href") == "https://harbour.example/menu?a=1&b=2"
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert body.find_element(By.CLASS_NAME, "quote").text == "quoted words"
    ann.find("//*[@role='option'][contains(@class, 'active')][not(contains(@class, 'unread'))]")
    ann.shot("plain")
    assert ann.faults() == []


def test_html_in_its_frame(ann):
    read_message(ann, "Your invoice")
    frame = ann.find("//iframe")
    assert frame.get_attribute("sandbox") == "allow-scripts allow-popups allow-popups-to-escape-sandbox"
    ann.shot("html")
    assert ann.faults() == []
    ann.driver.switch_to.frame(frame)
    try:
        assert ann.find("//h1").text == "Harbour Electricity"
        images = ann.driver.find_elements(By.TAG_NAME, "img")
        assert [image.get_property("naturalWidth") for image in images if (image.get_attribute("src") or "").startswith("data:")] == [48]
        assert not any("tracker" in (image.get_attribute("src") or "") for image in images)
        links = {link.text: link.get_attribute("href") for link in ann.driver.find_elements(By.TAG_NAME, "a")}
        assert links["good"] == "https://billing.example/1"
        assert not (links.get("bad") or "").startswith("javascript")
    finally:
        ann.driver.switch_to.default_content()
    assert "owned" not in ann.driver.title
    ann.press("Plain text")
    ann.text("Your invoice is ready.")
    ann.press("Formatted")
    ann.press("Show pictures")
    ann.find("//iframe[contains(@src, 'remote=1')]")
    ann.complaints()        # the picture is nowhere


def test_attachments(ann):
    read_message(ann, "Minutes of the meeting")
    saved = ann.find("//a[contains(@class, 'attachment-name')][contains(., 'minutes.txt')]")
    got = ann.driver.execute_async_script("const [address, done] = arguments; fetch(address).then((r) => r.text().then((text) => done([text.trim(), r.headers.get('Content-Disposition')])))",
                                          saved.get_attribute("href"))
    assert got[0] == "All agreed."
    assert got[1].startswith("attachment")
    ann.find("//a[contains(., 'Save all 2')]")
    ann.press("Look at roof.png")
    ann.find("//dialog//img")
    ann.shot("picture")
    ann.press("Close", ann.find("//dialog"))
    ann.shot("attachments")
    assert ann.faults() == []


def test_source(ann):
    read_message(ann, "Lunch on Thursday")
    ann.press("More", ann.find("//article"))
    ann.click(ann.find("//*[@role='menuitem'][contains(., 'Show source')]"))
    ann.find("//dialog//pre[contains(., 'Subject: Lunch on Thursday')]")
    ann.press("Close", ann.find("//dialog"))


def saved(browser):
    """What the page saves as a file from now on is no file: saved_bytes() has it."""
    browser.driver.execute_script("""
        HTMLAnchorElement.prototype.click = function () {
            document.body.append(Object.assign(document.createElement('output'), {textContent: this.href, className: 'saved'}));
        }""")


def saved_bytes(browser):
    address = browser.find("//output[@class='saved']").get_property("textContent")
    return base64.b64decode(browser.driver.execute_async_script("""
        const [address, done] = arguments;
        fetch(address).then((response) => response.arrayBuffer()).then((bytes) => {
            document.querySelector('output.saved').remove();
            done(btoa(String.fromCharCode(...new Uint8Array(bytes))));
        })""", address))


def test_saved_message_and_archive(ann):
    read_message(ann, "Lunch on Thursday")
    saved(ann)
    ann.press("More", ann.find("//article"))
    choose(ann, "menuitem", "Download (.eml)")
    message = email.message_from_bytes(saved_bytes(ann), policy=email.policy.default)
    assert message["Subject"] == "Lunch on Thursday"
    assert "(the menu)" in message.get_content()
    for subject in ("Lunch on Thursday", "Minutes of the meeting"):
        ann.click(row(ann, subject).find_element(By.CLASS_NAME, "row-pick"))
    ann.find("//h1[.='2 selected']")
    ann.press("More", ann.find("//*[@role='toolbar'][@aria-label='List of messages']"))
    choose(ann, "menuitem", "Export as .zip")
    with zipfile.ZipFile(io.BytesIO(saved_bytes(ann))) as archive:
        assert archive.testzip() is None
        subjects = {email.message_from_bytes(archive.read(name))["Subject"] for name in archive.namelist()}
    assert subjects == {"Lunch on Thursday", "Minutes of the meeting"}
    keys(ann, Keys.ESCAPE)


# ---- writing ----

def test_send_with_an_attachment(ann, one, tmp_path):
    before = len(one.mailbox("bob"))
    (tmp_path / "plan.txt").write_text("The plan is simple.\n")
    window = write(ann, "bob@example.test", "The plan", "Here it is, attached.\n\nAnn")
    window.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / "plan.txt"))
    ann.gone("//progress")
    ann.shot("compose")
    assert ann.faults() == []
    ann.press("Send", window)
    ann.gone(COMPOSER)
    ann.text("Sending")
    message = one.wait_mailbox("bob", before + 1)[-1]
    assert b"Subject: The plan" in message and b"plan.txt" in message
    assert b"From: " in message and b"<ann@example.test>" in message
    go(ann, "Sent")
    row(ann, "The plan")


def test_undo_send(ann, one):
    window = write(ann, "bob@example.test", "Too early", "Not finished")
    ann.press("Send", window)
    ann.press("Undo")
    window = composer(ann)
    assert ann.field("Subject", window).get_property("value") == "Too early"
    assert "Not finished" in ann.field("Text of the message", window).get_property("value")
    ann.press("Discard", window)
    ann.press("Discard", ann.find("//dialog"))
    ann.gone(COMPOSER)
    ann.open("/#/outbox")
    ann.text("Nothing waits")
    assert not any(b"Too early" in message for message in one.messages("bob"))


def test_unknown_recipient_is_told_before(ann):
    window = write(ann, "nobody@example.test", "Hello", "Anybody?")
    ann.press("Send", window)
    assert "nobody" in ann.find(".//*[contains(@class, 'form-error')]", window).text
    ann.press("Discard", window)
    ann.press("Discard", ann.find("//dialog"))
    ann.gone(COMPOSER)


def test_reply(ann):
    read_message(ann, "Lunch on Thursday")
    keys(ann, "r")
    window = composer(ann)
    assert ann.field("Subject", window).get_property("value") == "Re: Lunch on Thursday"
    assert "> Hi Ann," in ann.field("Text of the message", window).get_property("value")
    assert ann.find(".//*[contains(@class, 'person-chip')]", window).text == "Bob Ortega"
    ann.field("Text of the message", window).send_keys("Gladly.")
    ann.shot("reply")
    ActionChains(ann.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    ann.gone(COMPOSER)
    ann.find("//*[@role='option'][contains(., 'Lunch on Thursday')]//*[contains(@class, 'row-marks')]/*")


def test_formatted_text_becomes_a_draft(ann):
    window = write(ann, "bob@example.test", "With form", "Plain words")
    ann.press("Options", window)
    ann.click(ann.find("//*[@role='menuitemcheckbox'][contains(., 'Formatted text')]"))
    editor = ann.find(".//*[@contenteditable='true']", window)
    editor.send_keys(Keys.CONTROL, "a")
    ann.press("Bold", window)
    ann.shot("compose-formatted")
    ann.press("Save and close", window)
    ann.gone(COMPOSER)
    go(ann, "Drafts")
    ann.click(row(ann, "With form"))
    window = composer(ann)
    assert ann.find(".//*[@contenteditable='true']//b", window).text == "Plain words"
    ann.press("Discard", window)
    ann.press("Discard", ann.find("//dialog"))
    ann.gone(COMPOSER)
    ann.text("No drafts")


def test_send_later_and_cancel(ann):
    window = write(ann, "bob@example.test", "Happy new year", "All the best")
    ann.press("Send later", window)
    ann.shot("send-later")
    ann.click(ann.find("//*[@role='menuitem'][starts-with(normalize-space(.), 'Tomorrow morning')]"))
    ann.gone(COMPOSER)
    shut_notices(ann)
    ann.open("/#/outbox")
    card = ann.find("//article[contains(., 'Happy new year')]")
    ann.shot("outbox")
    assert ann.faults() == []
    ann.press("Cancel", card)
    window = composer(ann)
    assert ann.field("Subject", window).get_property("value") == "Happy new year"
    ann.press("Discard", window)
    ann.press("Discard", ann.find("//dialog"))
    ann.text("Nothing waits")


def choose(browser, role, text):
    browser.click(browser.find(f"//*[@role='{role}'][contains(., {text!r})]"))


def test_dropped_file_priority_and_receipt(ann, one):
    before = len(one.mailbox("bob"))
    window = write(ann, "bob@example.test", "Quick", "Please read this at once.")
    ann.driver.execute_script("""
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['Dropped words.'], 'dropped.txt', {type: 'text/plain'}));
        for (const name of ['dragenter', 'dragover', 'drop'])
            arguments[0].dispatchEvent(new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer}));
        """, window)
    ann.find(".//li[contains(., 'dropped.txt')]", window)
    ann.gone("//progress")
    for option in ("Important", "Ask for a read receipt"):
        ann.press("Options", window)
        choose(ann, "menuitemcheckbox", option)
    ann.find(".//*[contains(@class, 'badge')][.='Important']", window)
    ann.press("Send", window)
    ann.gone(COMPOSER)
    got = email.message_from_bytes(one.wait_mailbox("bob", before + 1)[-1], policy=email.policy.default)
    assert (got["X-Priority"].split()[0], got["Importance"].lower()) == ("1", "high")
    assert "ann@example.test" in got["Disposition-Notification-To"]
    assert [(part.get_filename(), part.get_content().strip()) for part in got.iter_attachments()] == [("dropped.txt", "Dropped words.")]


def test_throw_away_what_has_no_copy(ann, one):
    window = write(ann, "bob@example.test", "Better not", "Forget it")
    ann.press("Send later", window)
    choose(ann, "menuitem", "Tomorrow morning")
    ann.gone(COMPOSER)
    shut_notices(ann)
    go(ann, "Sent")
    read_message(ann, "Better not")
    keys(ann, "#")
    ann.text("moved to Trash")
    ann.open("/#/outbox")
    ann.press("Cancel", ann.find("//article[contains(., 'Better not')]"))
    ann.press("Throw away", ann.find("//dialog"))
    ann.text("Nothing waits")
    assert not any(b"Better not" in message for message in one.messages("bob"))


# ---- putting away ----

def test_delete_and_undo(ann, one):
    one.send(letter("Rubbish", "Throw me away"))
    read_message(ann, "Rubbish")
    keys(ann, "#")
    ann.text("moved to Trash")
    ann.gone("//*[@role='option'][contains(., 'Rubbish')][not(@hidden)]")
    ann.press("Undo")
    row(ann, "Rubbish")
    keys(ann, Keys.ESCAPE)
    shut_notices(ann)


def test_folders(ann, one):
    one.send(letter("Ship's papers", "To be kept"))
    ann.press("New folder")
    ann.fill("Name", "Ships/Papers", ann.dialog("New folder"))
    ann.press("Create")
    ann.find("//h1[starts-with(., 'Papers')]")
    inbox(ann)
    box = ann.find("//nav//a[contains(@class, 'folder')][contains(., 'Papers')]")
    ActionChains(ann.driver).drag_and_drop(ann.find('//*[@role="option"][contains(., "papers")]'), box).perform()
    ann.text("moved to Papers")
    go(ann, "Papers")
    ann.find('//*[@role="option"][contains(., "papers")]')
    ann.press("Options of Papers")
    ann.shot("folder-menu")
    ann.click(ann.find("//*[@role='menuitem'][contains(., 'Rename')]"))
    ann.fill("Name", "Ships/Documents", ann.find("//dialog"))
    ann.press("Rename")
    ann.find("//nav//a[contains(@class, 'folder')][contains(., 'Documents')]")
    ann.find('//*[@role="option"][contains(., "papers")]')
    ann.press("Options of Documents")
    ann.click(ann.find("//*[@role='menuitem'][contains(., 'Delete folder')]"))
    ann.press("Delete folder", ann.find("//dialog"))
    ann.gone("//nav//a[contains(@class, 'folder')][contains(., 'Documents')]")


def test_move_by_key(ann, one):
    one.send(letter("For the archive", "Old things"))
    ann.click(row(ann, "For the archive"))
    ann.find("//article//h2[contains(., 'For the archive')]")
    keys(ann, "v")
    ann.field("Find a folder", ann.find("//dialog")).send_keys("arch", Keys.ENTER)
    ann.text("moved to Archive")
    go(ann, "Archive")
    row(ann, "For the archive")


def test_labels_and_stars(ann):
    read_message(ann, "Minutes of the meeting")
    keys(ann, "s")
    ann.find("//*[@role='option'][contains(., 'Minutes')]//*[contains(@class, 'row-star')][contains(@class, 'on')]")
    keys(ann, "l")
    ann.click(ann.find("//*[@role='menuitem'][contains(., 'New label')]"))
    ann.fill("Name", "Board", ann.find("//dialog"))
    ann.press("Add label")
    ann.find("//*[@role='option'][contains(., 'Minutes')]//*[contains(@class, 'label-chip')][.='Board']")
    label = ann.find("//nav//a[contains(., 'Board')]")
    assert label.get_attribute("title") == "1 message"
    ann.click(label)
    row(ann, "Minutes of the meeting")
    ann.shot("label")


def test_labels_come_from_the_server(ann, one):
    """What another session gives and takes."""
    elsewhere = Web(one, "ann")
    message = next(row for row in elsewhere.rows("INBOX") if row["subject"] == "Lunch on Thursday")
    items = [{"folder": message["folder"], "uids": [message["uid"]]}]
    elsewhere.post("/api/flags", {"items": items, "add": ["label:Elsewhere"], "remove": ["seen"]})
    ann.find("//nav//a[contains(., 'Elsewhere')]//*[contains(@class, 'count')][.='1']")
    ann.shot("labels")
    elsewhere.post("/api/flags", {"items": items, "add": ["seen"], "remove": []})
    ann.find("//nav//a[contains(., 'Elsewhere')][not(.//*[contains(@class, 'count')])]")
    elsewhere.post("/api/flags", {"items": items, "add": [], "remove": ["label:Elsewhere"]})
    ann.gone("//nav//a[contains(., 'Elsewhere')]")


def test_search(ann):
    box = ann.field("Search mail")
    box.send_keys("from:billing invoice", Keys.ENTER)
    ann.find("//h1[starts-with(., 'Search results')]")
    row(ann, "Your invoice")
    assert not ann.is_there("//*[@role='option'][contains(., 'Lunch on Thursday')]")
    ann.shot("search")
    assert ann.faults() == []
    box.clear()
    box.send_keys("nothingofthekind", Keys.ENTER)
    ann.text("Nothing found")
    ann.press("Search", ann.find("//form[@role='search']"))
    form = ann.dialog("Search")
    ann.field("Words", form).clear()
    ann.fill("Subject", "minutes", form)
    ann.shot("search-form")
    ann.press("Search", ann.find(".//*[contains(@class, 'form-buttons')]", form))
    row(ann, "Minutes of the meeting")


def test_long_list(one):
    """Thousands of rows: the end is reached at once, all are picked and marked in one go."""
    one.send(letter("One of many", "Again and again"), "carl@example.test")
    one.wait_mailbox("carl", 1)
    first = one.mailbox("carl")[0]
    for n in range(1, MANY):
        name = re.sub(r"^(\d+)\.([^.]+)", lambda m: f"{m[1]}.{m[2]}x{n}", os.path.basename(first))
        os.link(first, os.path.join(os.path.dirname(first), name))
    with browsing(home(one)) as browser:
        log_in(browser, "carl")
        row(browser, "One of many")
        by_conversations(browser)       # they are all one
        browser.find(f"//h1[contains(., '{MANY:,}')]")
        row(browser, "One of many")
        assert len(browser.driver.find_elements(By.CLASS_NAME, "row")) < 100
        keys(browser, "*", "a")
        browser.find(f"//h1[.='{MANY:,} selected']")
        browser.press("More", browser.find("//*[@role='toolbar'][@aria-label='List of messages']"))
        browser.click(browser.find("//*[@role='menuitem'][contains(., 'Mark as read')]"))
        browser.gone("//*[@role='option'][contains(@class, 'unread')]")
        keys(browser, Keys.ESCAPE)
        browser.driver.execute_script("const node = document.querySelector('.list-scroller'); node.scrollTop = node.scrollHeight")
        browser.find(f"//*[@role='option'][@aria-posinset='{MANY}'][not(contains(@class, 'waiting'))]")
        assert browser.complaints() == []


def test_new_mail_appears(ann, one):
    one.send(letter("Hot from the oven", "Just baked"))
    row(ann, "Hot from the oven")
    assert re.match(r"\(\d+\) Inbox", ann.driver.title)


def test_notification_of_new_mail(ann, one):
    ann.driver.execute_script("""
        window.Notification = class {
            static permission = 'granted';
            static async requestPermission() { return 'granted'; }
            constructor(title, {body}) {
                document.body.append(Object.assign(document.createElement('output'), {textContent: `${title}: ${body}`, onclick: () => this.onclick()}));
            }
            close() {}
        };
        Object.defineProperty(document, 'hidden', {value: true});""")
    ann.open("/#/settings/general")
    ann.click(ann.find("//label[starts-with(normalize-space(.), 'Notifications')]"))
    inbox(ann)
    one.send(letter("Ring the bell", "Ding"))
    note = ann.find("//output[.='Bob Ortega: Ring the bell']")
    ann.driver.execute_script("arguments[0].onclick()", note)
    ann.find("//article//h2[.='Ring the bell']")
    ann.open("/#/settings/general")
    ann.click(ann.find("//label[starts-with(normalize-space(.), 'Notifications')]"))
    ann.find("//label[starts-with(normalize-space(.), 'Notifications')]//input[not(@disabled)]")


def test_conversations(ann, one):
    one.send(letter("Boat race", "Shall we?", "Message-ID: <race1@example.test>"))
    one.send(letter("Re: Boat race", "We shall!", "Message-ID: <race2@example.test>", "In-Reply-To: <race1@example.test>", "References: <race1@example.test>"))
    ann.click(ann.find("//*[@role='option'][contains(., 'Boat race')][.//*[contains(@class, 'row-count')][.='2']]"))
    ann.text("2 messages in this conversation")
    ann.text("We shall!")
    ann.shot("conversation")
    assert ann.faults() == []
    inbox(ann)
    by_conversations(ann)
    row(ann, "Re: Boat race")
    ann.find("//*[@role='option'][.//*[contains(@class, 'row-subject')][.='Boat race']]")
    by_conversations(ann)
    ann.gone("//*[@role='option'][not(@hidden)][.//*[contains(@class, 'row-subject')][.='Boat race']]")


def by_conversations(browser):
    """Turns it on or off."""
    browser.press("Sort and show")
    browser.click(browser.find("//*[@role='menuitemcheckbox'][contains(., 'By conversations')]"))


# ---- the other pages ----

def test_contacts(ann, tmp_path):
    ann.open("/#/contacts")
    ann.press("New contact")
    ann.fill("Name", "Chiara Moretti")
    ann.fill("Mail addresses", "chiara@moretti.example")
    ann.press("Save")
    ann.find("//h2[.='Chiara Moretti']")
    ann.shot("contact")
    assert ann.faults() == []
    (tmp_path / "cards.vcf").write_bytes(b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Dana Cohen\r\nEMAIL:dana@example.test\r\nEND:VCARD\r\n")
    ann.driver.find_element(By.CSS_SELECTOR, "input[accept*=vcf]").send_keys(str(tmp_path / "cards.vcf"))
    ann.text("1 contact imported")
    ann.find("//a[contains(., 'Dana Cohen')]")
    inbox(ann)
    ann.press("New message")
    window = composer(ann)
    field = ann.find(".//input[@role='combobox']", window)
    field.send_keys("chia")
    ann.find("//*[@role='option'][contains(@class, 'completion')][contains(., 'Chiara Moretti')]")
    ann.shot("completion")
    field.send_keys(Keys.ENTER)
    assert ann.find(".//*[contains(@class, 'person-chip')]", window).get_attribute("title") == "Chiara Moretti <chiara@moretti.example>"
    ann.press("Discard", window)
    ann.press("Discard", ann.find("//dialog"))
    ann.gone(COMPOSER)


def test_contact_changed_elsewhere_meanwhile(ann):
    ann.open("/#/contacts/new")
    ann.fill("Name", "Emil Otto")
    ann.press("Save")
    ann.find("//h2[.='Emil Otto']")
    ann.press("Change")
    ann.fill("Organization", "Mine")
    ann.driver.execute_async_script("""
        const done = arguments[0];
        const get = (path) => fetch('/api/' + path).then((response) => response.json());
        Promise.all([get('session'), get('contacts')]).then(([{csrf}, {contacts}]) => fetch('/api/contacts/save', {
            method: 'POST', headers: {'Content-Type': 'application/json', 'X-CSRF-Token': csrf},
            body: JSON.stringify({contact: {...contacts.find((one) => one.name === 'Emil Otto'), organization: 'Theirs'}})})).then(() => done())""")
    ann.press("Save")
    ann.press("Replace with mine", ann.find("//dialog"))
    ann.find("//h2[.='Emil Otto']")
    ann.find("//*[contains(@class, 'contact-card')]//p[.='Mine']")


def test_settings(ann):
    for name, title in (("general", "Reading"), ("writing", "Writing"), ("forwarding", "Forwarding"), ("vacation", "Vacation reply"), ("password", "Password")):
        ann.open(f"/#/settings/{name}")
        ann.find(f"//h1[.={title!r}]")
        ann.find("//*[contains(@class, 'settings')]//*[contains(@class, 'card')]")
        ann.shot(f"settings-{name}")
        assert ann.faults() == [], name
    ann.open("/#/settings/general")
    ann.choose("Theme", "dark")
    ann.find("//html[@data-theme='dark']")
    ann.text("Saved")
    inbox(ann)
    ann.shot("list-dark")
    ann.open("/#/settings/general")
    ann.choose("Theme", "auto")
    ann.find("//html[not(@data-theme)]")
    ann.open("/#/settings/writing")
    ann.fill("Your name", "Ann Lee")
    ann.fill("Signature", "Ann of the harbour")
    ann.press("Save")
    ann.text("Saved")
    inbox(ann)
    ann.press("New message")
    window = composer(ann)
    assert "-- \nAnn of the harbour" in ann.field("Text of the message", window).get_property("value")
    ann.press("Save and close", window)
    ann.gone(COMPOSER)


def test_password_and_forward(ann, one):
    ann.open("/#/settings/password")
    ann.fill("Old password", "not this")
    ann.fill("New password", "a longer secret")
    ann.fill("New password again", "a longer secret")
    ann.press("Change password")
    ann.find("//*[contains(@class, 'form-error')][normalize-space(.)]")
    ann.open("/#/settings/forwarding")
    field = ann.find("//*[contains(@class, 'settings')]//input[@role='combobox']")
    field.send_keys("bob@example.test,")
    ann.press("Save")
    ann.text("Saved")
    one.wait_log("master", ".", 0)
    assert "bob@example.test" in one.ctl("forward", "list").stdout
    ann.press("Stop forwarding")
    ann.text("no longer forwarded")
    assert "bob@example.test" not in one.ctl("forward", "list").stdout


def test_password_is_changed(one):
    with browsing(home(one)) as browser:
        log_in(browser, "dora")
        browser.open("/#/settings/password")
        browser.fill("Old password", "dora-secret")
        browser.fill("New password", "a longer secret")
        browser.fill("New password again", "a longer secret")
        browser.press("Change password")
        browser.text("Your password is changed")
        browser.press("Account: dora")
        choose(browser, "menuitem", "Log out")
        browser.text("You are logged out.")
        log_in(browser, "dora", "a longer secret")
        assert browser.complaints() == []


def test_where_is_my_message(ann):
    ann.open("/#/trace")
    ann.fill("Mail address of the other", "bob@example.test")
    ann.press("Tell me")
    ann.find("//ol[contains(@class, 'story')]/li/p")
    ann.shot("story")
    assert ann.faults() == []


def offline(browser, on):
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})


def test_the_server_is_away(ann):
    """What is shown then was there before, pictures too; it goes on with Try again."""
    row(ann, "Lunch on Thursday")
    offline(ann, True)
    try:
        ann.click(ann.find("//nav//a[normalize-space(.)='Where is my message?']"))
        ann.text("The mail server cannot be reached.", ann.find("//*[@role='alert'][contains(., 'That did not work')]"))
        drawn = "return [...document.querySelectorAll('[role=alert] svg')].map((node) => node.getBBox().width > 0)"
        assert ann.driver.execute_script(drawn) == [True, True]
        ann.shot("away")
    finally:
        offline(ann, False)
    ann.press("Try again")
    ann.find("//h1[.='Where is my message?']")
    ann.complaints()        # of the module that could not be had


def test_shortcuts(ann):
    keys(ann, "?")
    sheet = ann.dialog("Keyboard shortcuts")
    ann.shot("shortcuts")
    assert ann.faults() == []
    ann.press("Close", sheet)
    keys(ann, "g", "s")
    ann.find("//h1[starts-with(., 'Sent')]")
    keys(ann, "g", "i")
    ann.find("//h1[starts-with(., 'Inbox')]")
    keys(ann, "/")
    assert ann.driver.switch_to.active_element.get_attribute("aria-label") == "Search mail"


# ---- everybody ----

@pytest.mark.parametrize("dark", [False, True])
def test_phone(one, dark):
    with browsing(home(one), size="phone", dark=dark) as browser:
        suffix = "-dark" if dark else ""
        log_in(browser, "ann")
        row(browser, "Lunch on Thursday")
        browser.shot("list" + suffix)
        assert browser.faults() == []
        read_message(browser, "Lunch on Thursday")
        assert not browser.is_there("//*[@role='listbox']")
        browser.shot("plain" + suffix)
        assert browser.faults() == []
        browser.press("Back to the list")
        row(browser, "Lunch on Thursday")
        browser.press("Menu")
        browser.find("//nav//a[contains(., 'Sent')]")
        browser.shot("drawer" + suffix)
        assert browser.faults() == []
        go(browser, "Sent")
        browser.press("New message", browser.find("//section[contains(@class, 'list-pane')]"))
        window = composer(browser)
        assert window.rect["width"] == 390
        browser.shot("compose" + suffix)
        assert browser.faults() == []
        browser.press("Save and close", window)
        browser.gone(COMPOSER)
        for page, title in (("contacts", "Contacts"), ("outbox", "Outbox"), ("trace", "Where is my message?"),
                            ("settings/general", "Reading"), ("settings/vacation", "Vacation reply")):
            browser.open("/#/" + page)
            browser.find(f"//h1[starts-with(normalize-space(.), '{title}')]")
            browser.shot(page.replace("/", "-") + suffix)
            assert browser.faults() == [], page
        assert browser.complaints() == []


def luminance(color):
    def channel(value):
        value /= 255
        return value / 12.92 if value <= .03928 else ((value + .055) / 1.055) ** 2.4
    red, green, blue = (channel(int(color[i:i + 2], 16)) for i in (1, 3, 5))
    return .2126 * red + .7152 * green + .0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + .05) / (dark + .05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast(theme):
    """Texts on all they stand on: WCAG AA asks for 4.5."""
    style = read(os.path.join(TOP, "webd", "static", "style.css")).decode()
    tokens = {m[1]: (m[2], m[3])[theme] for m in re.finditer(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", style)}
    pairs = [(text, back) for text in ("text", "text-2", "text-3", "accent", "danger") for back in ("bg", "surface", "surface-2", "hover")]
    pairs += [("text", "accent-soft"), ("text-2", "accent-soft"), ("text-3", "accent-soft"), ("accent", "accent-soft"), ("on-accent", "accent"), ("on-accent", "accent-strong"),
              ("danger", "danger-soft"), ("warn", "warn-soft"), ("ok", "ok-soft"), ("text", "warn-soft"), ("text", "danger-soft")]
    weak = {f"{text} on {back}": round(contrast(tokens[text], tokens[back]), 2) for text, back in pairs if contrast(tokens[text], tokens[back]) < 4.5}
    assert not weak
    assert contrast(tokens["line-strong"], tokens["surface"]) >= 3      # borders of fields
