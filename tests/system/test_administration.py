"""System Administration in the browser: each panel used as a person would."""
import os
import re

import pytest

from browser import browsing
from clients import Pop, text_message
from events import wait_until
from popserver import PopServer
from sambar import Instance, read
from sink import Sink
from test_certificates_by_name import make as make_pair
from webmail import home, log_in

PANELS = ["status", "queue", "logs", "mail", "aliases", "users", "fetch", "backups", "server", "proxy", "routes", "history"]
TITLES = {"mail": "Mail Configuration", "aliases": "Mail Aliases & Forwarding", "users": "User Management", "fetch": "Mail Fetcher", "backups": "Backups",
          "server": "Server Configuration", "proxy": "Proxy Configuration", "queue": "Queue", "logs": "Logs", "status": "Status",
          "routes": "Routes & TLS Policy", "history": "History of Changes"}


@pytest.fixture(scope="module")
def one():
    """ann is the administrator."""
    made = Instance(users=("ann", "bob", "carl"))
    made.ctl("user", "admin", "ann", "on")
    yield made
    assert made.end() == []


@pytest.fixture(scope="module")
def person(one):
    """ann at her desk."""
    with browsing(home(one)) as browser:
        log_in(browser, "ann")
        yield browser


@pytest.fixture(autouse=True)
def no_complaints(request):
    """Each test begins with a page of its own, whatever the one before left open."""
    browser = request.getfixturevalue("person") if "person" in request.fixturenames else None
    if browser:
        browser.leave()
    yield
    if browser:
        assert browser.complaints() == []


def panel(browser, name):
    """Shows a panel anew."""
    browser.open("/#/admin/history" if name != "history" else "/#/admin/routes")
    browser.find(f"//h1[.={TITLES['history' if name != 'history' else 'routes']!r}]")
    browser.open(f"/#/admin/{name}")
    browser.find(f"//h1[.={TITLES[name]!r}]")
    browser.gone("//*[@class='admin']//*[@class='skeleton']")


def setting(browser, key, section=None):
    where = f" and @data-section='{section}'" if section else ""
    return browser.find(f"//div[@data-key='{key}'{where}]")


def type_setting(browser, key, text, section=None):
    control = setting(browser, key, section).find_element("css selector", "input")
    browser.click(control)
    control.clear()
    control.send_keys(text)


def save(browser, count):
    browser.press("Review and save")
    noun = "change" if count == 1 else "changes"
    browser.press(f"Save {count} {noun}", browser.dialog("Save these changes?"))


def toast(browser, text):
    """Waits for a notice, and closes it."""
    notice = browser.find(f"//*[contains(@class, 'toast')][contains(@class, 'toast-text') or .//*[contains(@class, 'toast-text')]][contains(., {text!r})]"
                          "[.//button]")
    browser.press("Dismiss", notice)


def row(browser, name, *texts):
    """The row of this name, as soon as it holds all of these texts."""
    holding = "".join(f"[contains(normalize-space(.), {text!r})]" for text in texts)
    return browser.find(f"//tbody/tr[th[contains(., {name!r})]]{holding}")


def act(browser, name, action):
    """Chooses from the menu of a row."""
    browser.press(f"Actions for {name}")
    browser.click(browser.find(f"//*[@role='menu']//button[normalize-space(.)={action!r}]"))


def written(one, key):
    return one.ctl("config", "get", key).stdout.strip()


# ---- from nothing ----

def test_the_quick_start_from_nothing_in_the_browser():
    """The manual's guide: administrator, server, the provider's SMTP server, users with mailboxes, an alias; then mail goes both ways."""
    made = Instance(users=())
    try:
        link = made.json("user", "setup-link")["link"]
        with Sink() as provider, browsing(home(made)) as browser:
            browser.open(link[len(home(made)):])
            browser.fill("User name", "Tod")
            browser.fill("Password", "a-long-secret")
            browser.fill("Password again", "a-long-secret")
            browser.press("Create administrator")
            browser.text("A user name has up to 64 small letters (a-z), digits, - and _.")
            browser.fill("User name", "tod")
            browser.fill("Password again", "another")
            browser.shot("setup-1")
            browser.press("Create administrator")
            browser.text("The two passwords are not the same.")
            browser.fill("Password again", "a-long-secret")
            browser.press("Create administrator")

            browser.text("What is the server called?")
            assert browser.field("Mail Server").get_attribute("value") == "example.test"
            browser.fill("Mail Server", "mail.foobar.test")
            browser.field("Local Domains").send_keys("foobar.test ")
            browser.shot("setup-2")
            browser.press("Next")

            browser.text("How does mail for the internet leave?")
            browser.click(browser.text("Through the SMTP Server of your provider"))
            browser.fill("SMTP Server", f"127.0.0.1:{provider.port}")
            browser.shot("setup-3")
            browser.press("Next")

            browser.text("Who gets the first mailbox?")
            browser.fill("User name", "billy-bob")
            browser.fill("Password", "billys-secret")
            browser.shot("setup-4")
            browser.press("Create mailbox")
            browser.text("Only this computer reaches it so far")
            browser.shot("setup-5")
            browser.driver.refresh()
            browser.text("The server is set up")
            browser.press("Open System Administration")
            browser.find("//h1[.='Status']")

            panel(browser, "server")
            assert setting(browser, "Act As Mail Server").find_element("css selector", "input[value=true]").is_selected()
            panel(browser, "users")
            browser.press("New user")
            form = browser.dialog("New user")
            browser.fill("User name", "stacia", form)
            browser.fill("Password", "stacias-secret", form)
            assert browser.field("Mailbox", form).is_selected()
            browser.press("Create user", form)
            toast(browser, "stacia was created")
            panel(browser, "aliases")
            row(browser, "postmaster")
            browser.press("New alias or forwarding")
            form = browser.dialog("New alias or forwarding")
            browser.fill("Name", "all", form)
            browser.field("Goes to", form).send_keys("billy-bob stacia ")
            browser.press("Save", form)
            toast(browser, "all was saved")
            assert browser.complaints() == []

            made.send(text_message("to-all"), "all@foobar.test")
            for user in ("billy-bob", "stacia"):
                assert b"to-all" in made.wait_mailbox(user, 1)[0]
            with made.smtp("Submission") as smtp:
                smtp.starttls()
                assert smtp.auth_plain("stacia", "stacias-secret").code == 235
                assert smtp.deliver(text_message("outside"), "somebody@elsewhere.test", sender="stacia@foobar.test").code == 250
            assert b"outside" in provider.wait_taken(1)[0].message

            browser.open("/setup#" + link.split("#")[1])
            browser.text("What is the server called?")      # who is logged in goes on; the token is of no more use
        with browsing(home(made)) as browser:
            browser.open("/setup#" + link.split("#")[1])
            browser.text("This link is no longer valid")
            browser.shot("setup-over")
    finally:
        assert made.end() == []


# ---- the configuration ----

def test_settings_are_checked_at_the_field_saved_as_one_change_and_taken_back(one, person):
    before = read(one.path("config", "mail.ini"))
    panel(person, "mail")
    person.text("Not set. Default: 1000", setting(person, "Maximum Users"))
    type_setting(person, "Maximum Users", "many")
    type_setting(person, "Maximum Mailbox Size", "500")
    person.field("Unit of Maximum Mailbox Size", setting(person, "Maximum Mailbox Size"))
    setting(person, "Local Domains").find_element("css selector", "input").send_keys("foobar.test ")
    person.shot("mail-changed")
    person.press("Review and save")
    review = person.dialog("Save these changes?")
    row(person, "Maximum Users", "not set (1000)")
    row(person, "Maximum Mailbox Size", "500M")
    person.shot("mail-review")
    person.press("Save 3 changes", review)
    person.text("is not a number from 1 to 1000000", setting(person, "Maximum Users"))
    person.text("1 setting is not right. Nothing was changed.")
    person.shot("mail-refused")
    assert read(one.path("config", "mail.ini")) == before

    type_setting(person, "Maximum Users", "1200")
    save(person, 3)
    person.text("3 changes saved and in effect")
    assert written(one, "Maximum Users") == "1200" and written(one, "Maximum Mailbox Size") == "500M"
    assert "foobar.test" in written(one, "Local Domains").split()
    panel(person, "history")
    person.find("//li[contains(., 'Maximum Users') and contains(., 'foobar.test')]//strong[contains(., 'ann')]")
    person.shot("history")
    person.press("Undo this change")
    toast(person, "The change was undone")
    assert read(one.path("config", "mail.ini")) == before


def test_yes_and_no_choices_durations_and_the_default(one, person):
    panel(person, "server")
    person.click(person.find(".//label[normalize-space(.)='Yes']", setting(person, "Debug")))
    type_setting(person, "SMTP Command", "7")
    choice = setting(person, "IP Protocol")
    person.click(choice.find_element("css selector", "option[value=IPv4]"))
    save(person, 3)
    toast(person, "3 changes saved and in effect")
    assert [written(one, key) for key in ("Debug", "SMTP Command", "IP Protocol")] == ["true", "7m", "IPv4"]
    person.press("Use the default of Debug")
    person.press("Use the default of SMTP Command")
    person.press("Use the default of IP Protocol")
    save(person, 3)
    toast(person, "3 changes saved and in effect")
    assert [written(one, key) for key in ("Debug", "SMTP Command", "IP Protocol")] == ["false", "5m", "auto"]


def test_a_setting_is_found_and_what_is_not_saved_stays(one, person):
    panel(person, "server")
    type_setting(person, "Maximum SMTP Connections", "77")
    person.find("//input[@type='search']").send_keys("loopback")
    person.gone("//div[@data-key='Maximum SMTP Connections']")
    panel(person, "queue")
    assert person.find("//a[contains(., 'Server Configuration')]/*[@class='side-dot']")
    panel(person, "server")
    assert setting(person, "Maximum SMTP Connections").find_element("css selector", "input").get_attribute("value") == "77"
    person.press("Discard")
    person.gone("//*[contains(@class, 'save-bar')]")
    assert written(one, "Maximum SMTP Connections") == "10000"


def test_the_providers_smtp_server_with_a_password_that_is_never_shown(one, person):
    panel(person, "proxy")
    type_setting(person, "SMTP Server", "smtp.isp.test:587")
    type_setting(person, "SMTP Server User", "house")
    type_setting(person, "SMTP Server Password", "quite-secret")
    save(person, 3)
    toast(person, "3 changes saved and in effect")
    assert written(one, "SMTP Server") == "smtp.isp.test:587"
    person.text("Set; it is not shown", setting(person, "SMTP Server Password"))
    person.shot("proxy-set")
    panel(person, "history")
    assert "quite-secret" not in person.driver.page_source
    panel(person, "proxy")
    assert "quite-secret" not in person.driver.page_source
    person.press("Remove", setting(person, "SMTP Server Password"))
    person.press("Use the default of SMTP Server User")
    person.press("Use the default of SMTP Server")
    save(person, 3)
    toast(person, "3 changes saved and in effect")
    assert written(one, "SMTP Server Password") == "" and "quite-secret" not in read(one.path("config", "config.ini")).decode()


def test_mailboxes_are_created_and_deleted_on_mail_configuration(one, person):
    one.ctl("user", "add", "guest", "--no-mailbox", text="guest-secret\n")
    panel(person, "mail")
    person.press("Create a mailbox for guest")
    toast(person, "guest has a mailbox now")
    one.send(text_message("hello"), "guest@example.test")
    one.wait_mailbox("guest", 1)
    panel(person, "mail")
    person.press("Delete the mailbox of guest")
    question = person.dialog("Delete the mailbox of guest?")
    assert "1 message" in question.text
    person.press("Delete mailbox", question)
    toast(person, "The mailbox of guest was deleted")
    assert not os.path.exists(one.mailbox_path("guest"))
    one.ctl("user", "del", "guest")


def test_certificates_by_name_are_added_changed_and_removed(one, person):
    shop, shop_key = make_pair(one, "shop.test")
    panel(person, "server")
    row(person, "Transport security", "whoever asks for none of the others", "valid until")
    person.press("Add a certificate")
    form = person.dialog("Add a certificate")
    person.fill("Name", "shop", form)
    person.fill("Certificate", shop, form)
    person.press("Save", form)
    person.text("Which file?", form)
    person.fill("Private Key", one.path("config", "tls.key"), form)
    person.press("Save", form)
    toast(person, "The certificate shop was saved")
    row(person, "shop", "not used", "does not belong to")
    person.press("shop")
    form = person.dialog("Certificate shop")
    person.fill("Private Key", shop_key, form)
    person.shot("certificate-form")
    person.press("Save", form)
    toast(person, "The certificate shop was saved")
    row(person, "shop", "shop.test", "valid until")
    person.driver.execute_script("document.getElementById('set-certificates').scrollIntoView()")
    person.shot("certificates")
    assert person.faults() == []
    other, other_key = make_pair(one, "other.test")
    person.press("shop")
    form = person.dialog("Certificate shop")
    person.fill("Certificate", other, form)
    person.fill("Private Key", other_key, form)
    person.press("Save", form)
    toast(person, "The certificate shop was saved")
    row(person, "shop", "other.test")
    act(person, "shop", "Remove")
    person.press("Remove", person.dialog("Remove the certificate shop?"))
    toast(person, "The certificate shop was removed")
    person.gone("//tbody/tr[th[contains(., 'shop')]]")
    assert "[certificate shop]" not in read(one.path("config", "config.ini")).decode()


# ---- aliases ----

def test_aliases_forwards_and_the_test_of_an_address(one, person):
    panel(person, "aliases")
    person.press("New alias or forwarding")
    form = person.dialog("New alias or forwarding")
    person.fill("Name", "sales", form)
    person.press("Save", form)
    person.text("Give at least one target", form)
    person.field("Goes to", form).send_keys("ann bob ")
    person.press("Save", form)
    toast(person, "sales was saved")
    person.press("New alias or forwarding")
    form = person.dialog("New alias or forwarding")
    person.click(person.find(".//label[normalize-space(.)='Forwarding']", form))
    person.fill("Name", "carl", form)
    person.field("Goes to", form).send_keys("carl@elsewhere.test ")
    person.press("Save", form)
    toast(person, "carl was saved")
    person.press("New alias or forwarding")
    form = person.dialog("New alias or forwarding")
    person.fill("Name", "noise@example.test", form)
    person.click(person.field("Drop the mail without a word (null)", form))
    person.press("Save", form)
    toast(person, "noise@example.test was saved")
    row(person, "noise@example.test", "dropped")

    person.press("sales")       # changed, with a new name
    form = person.dialog("Edit sales")
    person.fill("Name", "Sales.Team", form)
    person.field("Goes to", form).send_keys("carl ")
    person.press("Save", form)
    toast(person, "Sales.Team was saved")
    person.shot("aliases")
    text = one.ctl("alias", "list").stdout + one.ctl("forward", "list").stdout
    assert re.search(r"Sales\.Team +ann bob carl", text) and re.search(r"carl +carl@elsewhere\.test", text) and not re.search(r"^sales ", text, re.M)

    person.find("//input[@type='search']").send_keys("noise")
    person.gone("//tr[th[contains(., 'Sales.Team')]]")
    panel(person, "aliases")
    act(person, "Sales.Team", "Test an address")
    person.text("It would be accepted")
    tree = person.find("//ul[@class='tree']").text
    assert re.search(r"(?s)Sales\.Team@example\.test.*alias.*ann.*mailbox.*bob.*carl.*forwarding.*carl@elsewhere\.test", tree, re.I)
    person.shot("explain")
    person.fill("Recipient", "nobody")
    person.press("Test")
    person.text("It would be refused")
    for name in ("Sales.Team", "carl", "noise@example.test"):
        act(person, name, "Remove")
        toast(person, f"{name} was removed")


# ---- users ----

def test_users_are_created_changed_and_deleted(one, person):
    panel(person, "users")
    person.press("New user")
    form = person.dialog("New user")
    person.fill("User name", "dave", form)
    person.press("Make one up", form)
    password = person.field("Password", form).get_attribute("value")
    assert len(password) >= 16
    person.fill("Mailbox size", "500K", form)
    person.shot("user-new")
    person.press("Create user", form)
    toast(person, "dave was created")
    one.send(text_message("hello"), "dave@example.test")
    one.wait_mailbox("dave", 1)
    with Pop(one.port("POP3"), "dave", password) as pop:
        pop.quit()
    panel(person, "users")
    row(person, "dave", "of 500", "1 message")

    act(person, "dave", "Edit")
    form = person.dialog("User dave")
    person.click(person.field("Administrator", form))
    person.fill("Mailbox size", "2M", form)
    person.press("Save", form)
    toast(person, "dave was saved")
    row(person, "dave", "Administrator")
    listed, = [user for user in one.json("user", "list")["users"] if user["name"] == "dave"]
    assert listed["admin"] and listed["quota"] == 2 << 20
    act(person, "dave", "Reset password")
    form = person.dialog("New password for dave")
    person.fill("New password", "dave-second", form)
    person.press("Reset password", form)
    toast(person, "dave has a new password")
    with Pop(one.port("POP3"), "dave", "dave-second") as pop:
        pop.quit()
    person.shot("users")

    act(person, "dave", "Delete user")
    question = person.dialog("Delete dave?")
    person.press("Delete user", question)           # the mailbox is kept
    toast(person, "dave was deleted")
    assert one.mailbox("dave")
    one.ctl("user", "add", "dave", text="dave-third\n")
    panel(person, "users")
    act(person, "dave", "Delete user")
    question = person.dialog("Delete dave?")
    person.click(person.text("Delete the mailbox too", question))
    person.text("Lost for good: 1 message", question)
    person.shot("user-delete")
    person.press("Delete user", question)
    person.text("Type dave to confirm", question)
    person.fill("Type dave to confirm", "dave", question)
    person.press("Delete user", question)
    toast(person, "dave was deleted")
    assert not os.path.exists(one.mailbox_path("dave"))


# ---- mail fetcher ----

def test_a_remote_mailbox_is_added_tested_collected_and_deleted(one, person):
    message = b"From: Old <old@far.test>\r\nTo: ann@example.test\r\nSubject: from far away\r\n\r\nhello\r\n"
    with PopServer([b"one", message]) as server:
        panel(person, "fetch")
        person.text("No remote mailboxes yet")
        person.press("New remote mailbox")
        person.find("//h1[.='New remote mailbox']")
        person.fill("Name", "far")
        type_setting(person, "Server", f"127.0.0.1:{server.port}")
        person.click(setting(person, "TLS").find_element("css selector", "option[value=none]"))
        type_setting(person, "User", "ann")
        type_setting(person, "Password", "secret")
        person.click(setting(person, "Interval").find_element("css selector", "option[value=manual]"))
        routing = setting(person, "Routing")
        person.click(routing.find_element("css selector", "option[value=mailbox]"))
        person.press("Review and save")
        person.text("Which mailbox?", setting(person, "Routing"))
        routing.find_element("css selector", "input").send_keys("bobby")
        person.press("Review and save")
        person.text("There is no mailbox bobby.", setting(person, "Routing"))
        routing.find_element("css selector", "input").send_keys("\b\b")
        person.shot("fetch-form")
        save(person, 6)
        toast(person, "far was saved")
        person.find("//h1[.='Mail Fetcher']")
        person.press("Test")
        person.text("It works.", person.dialog("Test of far"))
        person.press("Close", person.find("//dialog//footer"))
        person.press("Dry run")
        report = person.dialog("Dry run of far")
        assert "from far away" in person.find(".//tr[contains(., 'old@far.test')]", report).text and "bob" in report.text
        person.shot("fetch-dry-run")
        person.press("Close", person.find("//dialog//footer"))
        assert one.mailbox("bob") == []
        person.press("Fetch now")
        toast(person, "far: 1 new message")
        assert b"from far away" in one.wait_mailbox("bob", 1)[0]
        person.shot("fetch")
        act(person, "far", "Forget")
        person.press("Forget", person.dialog("Forget what was taken from far?"))
        toast(person, "1 message forgotten")
        person.press("Edit")
        type_setting(person, "User", "nobody")
        save(person, 1)
        toast(person, "far was saved")
        act(person, "far", "Delete")
        person.press("Delete", person.dialog("Delete the remote mailbox far?"))
        toast(person, "far was deleted")
        person.text("No remote mailboxes yet")


# ---- backups ----

def test_a_backup_is_made_and_mail_comes_back_from_it(one, person):
    for subject in ("keep this", "and that"):
        one.send(text_message(subject), "carl@example.test", sender="bob@example.test")
    one.wait_mailbox("carl", 2)
    panel(person, "backups")
    person.text("No backups yet")
    person.text("Not daily")
    person.press("Back up now")
    toast(person, "backed up")
    day, = [b["day"] for b in one.json("backup", "list")["backups"]]
    row(person, "", day, "verified")
    person.shot("backups")
    lost = [path for path in one.mailbox("carl") if b"keep this" in read(path)]
    for path in lost:
        os.unlink(path)
    person.press(f"Look into the backup of {day}")
    person.press("carl")
    row(person, "INBOX", "2")
    person.shot("backup-folders")
    person.press("INBOX")
    person.find("//input[@type='search']").send_keys("KEEP")
    row(person, "keep this")
    person.gone("//tr[contains(., 'and that')]")
    person.shot("backup-messages")
    assert person.faults() == []
    person.press("Restore the message keep this")
    toast(person, "1 message restored")
    person.text("Restored: a message of INBOX, carl")
    assert sorted(b"keep this" in text for text in one.wait_mailbox("carl", 2)) == [False, True]
    person.press("carl", person.find("//nav[@aria-label='Where you are']"))
    person.press("Restore all")
    person.press("Restore", person.dialog(f"Restore all mail of carl from {day}?"))
    toast(person, "0 messages restored, 2 there already")
    person.press("Backups", person.find("//nav[@aria-label='Where you are']"))
    person.press("Change Backup Mailboxes")
    person.click(setting(person, "Backup Mailboxes").find_element("css selector", "input[value=true]"))
    assert not person.is_there("//div[@data-key='Mail Directory']")
    save(person, 1)
    toast(person, "1 change saved and in effect")
    panel(person, "backups")
    person.text("A backup is made each day")
    one.ctl("config", "unset", "Backup Mailboxes")


# ---- queue and logs ----

def test_the_queue_is_filtered_held_released_bounced_and_emptied(one, person):
    for n in range(3):
        one.send(text_message(f"late-{n}"), f"user{n}@far{n % 2}.test", sender="bob@example.test")
    one.wait_settled()
    panel(person, "queue")
    assert len(person.driver.find_elements("css selector", "tbody tr")) == 3
    row(person, "", "DNS server is out of reach")
    person.field("Domain").send_keys("far1.test")
    person.press("Filter")
    person.text("1 message")
    person.press("Clear filter")
    person.text("3 messages")
    person.click(person.field("Select all shown"))
    person.press("Hold")
    form = person.dialog("Hold 3 messages")
    person.fill("Reason (optional)", "to be looked at", form)
    person.press("Hold", form)
    person.text("3 messages held")
    assert all(m["held"] and "to be looked at" in m["hold"] for m in one.json("queue", "list")["messages"])
    person.shot("queue-held")
    person.press("Undo")
    toast(person, "3 messages released")
    assert not any(m["held"] for m in one.json("queue", "list")["messages"])

    identity = person.find("//tbody//th//button").text
    person.press(identity)
    details = person.dialog(f"Message {identity}")
    person.text("DNS server is out of reach", details)
    person.find(".//*[@role='log']//*[contains(., 'accepted from=')]", details)
    person.shot("queue-message")
    person.press("Remove", details)
    form = person.dialog("Remove 1 message?")
    person.press("Remove", form)
    toast(person, "1 message removed")
    had = len(one.mailbox("bob"))
    person.click(person.field("Select all shown"))
    person.press("Bounce")
    person.press("Bounce", person.dialog("Give up 2 messages?"))
    toast(person, "2 messages given up")
    one.wait_mailbox("bob", had + 2)
    wait_until(lambda: one.json("queue", "list")["total"] == 0, one.path("log", "queue.log"))
    panel(person, "queue")
    person.text("The queue is empty")
    person.shot("queue-empty")


def test_logs_are_live_filtered_paused_and_lead_to_a_message(one, person):
    panel(person, "logs")
    person.find("//*[contains(@class, 'live on')]")
    one.send(text_message("first"), "bob@example.test", sender="live-1@far.test")
    person.text("live-1@far.test")
    person.press("Pause")
    one.send(text_message("second"), "bob@example.test", sender="live-2@far.test")
    person.find("//*[contains(@class, 'live paused') and contains(., 'new line')]")
    assert not person.is_there("//*[contains(text(), 'live-2@far.test')]")
    person.press("Go on")
    person.text("live-2@far.test")
    person.shot("logs")
    person.field("Only lines with").send_keys("live-2")
    person.gone("//*[contains(text(), 'live-1@far.test')]")
    line = person.find("//*[contains(@class, 'log-line')][contains(., 'live-2@far.test')]")
    identity = person.find(".//button", line).text
    person.press(identity, line)
    story = person.dialog(f"What happened to {identity}")
    person.text("delivered to=", story)
    person.shot("logs-trace")
    person.press("Close", person.find(".//footer", story))
    person.choose("Program", "smtpd")
    person.gone("//*[@class='log-program'][not(.='smtpd')]")


# ---- status, routes ----

def test_status_shows_programs_traffic_disk_and_certificates(one, person):
    panel(person, "status")
    for title in ("Programs", "Listeners", "Disk", "Certificates"):
        person.find(f"//h2[.='{title}']")
    assert person.driver.find_elements("css selector", "svg.chart g")
    row(person, "auth", "running")
    pid, = one.pids("auth")
    person.press("Restart auth")
    toast(person, "auth was restarted")
    assert one.pids("auth") != [pid]
    person.text("Mail Configuration")
    person.press("Reload configuration")
    toast(person, "The configuration was read")
    person.shot("status")
    person.press("Restart all")
    assert "you too" in person.dialog("Restart all programs?").text
    person.driver.execute_script("location.hash = '#/admin/users'")
    person.gone("//dialog")             # with the page that it was about
    assert one.pids("auth") != [] and person.find("//h1[.='User Management']")


def test_routes_and_tls_policy(one, person):
    panel(person, "routes")
    routes, policy = person.driver.find_elements("css selector", ".admin section.card")
    person.press("Add a line", routes)
    form = person.dialog("Routes")
    person.fill("Domain or pattern", "*.branch.test", form)
    person.choose("Goes to", "host", form)
    person.fill("Host, with :port if it is not 25", "relay.branch.test:2525", form)
    person.press("Save", form)
    toast(person, "*.branch.test was saved")
    person.press("Add a line", policy)
    form = person.dialog("TLS policy")
    person.fill("Domain or pattern", "bank.test", form)
    person.choose("TLS", "verify", form)
    person.fill("Names in the certificate, with blanks between them (empty: those of the hosts)", "mx.bank.test", form)
    person.press("Save", form)
    toast(person, "bank.test was saved")
    person.shot("routes")
    text = read(one.path("config", "mail.ini")).decode()
    assert re.search(r"(?m)^\*\.branch\.test = relay\.branch\.test:2525$", text) and re.search(r"(?m)^bank\.test = verify mx\.bank\.test$", text)
    person.press("Add a line", routes)
    form = person.dialog("Routes")
    person.fill("Domain or pattern", "two words", form)
    person.press("Save", form)
    person.find(".//*[@role='alert'][normalize-space(.)]", form)
    person.press("Cancel", form)
    for name in ("*.branch.test", "bank.test"):
        act(person, name, "Remove")
        toast(person, f"{name} was removed")


# ---- all panels ----

@pytest.mark.parametrize("size, dark", [("desktop", False), ("desktop", True), ("phone", False), ("phone", True)])
def test_every_panel_fits_its_window_and_can_be_used_without_eyes(one, size, dark):
    with browsing(home(one), size=size, dark=dark) as browser:
        log_in(browser, "ann")
        for name in PANELS:
            panel(browser, name)
            browser.shot(f"panel-{name}{'-dark' if dark else ''}")
            assert browser.faults() == [], name
        assert browser.complaints() == []


def test_who_is_no_administrator_sees_none_of_it(one):
    with browsing(home(one)) as browser:
        log_in(browser, "bob")
        assert not browser.is_there("//a[contains(., 'Administration')]")
        browser.open("/#/admin/users")
        browser.text("Only administrators may use these pages.")
