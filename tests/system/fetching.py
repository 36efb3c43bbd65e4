"""An instance that collects from other hosts, and messages that are known again."""
import collections
import json
import re

from events import wait_until

EX_TEMPFAIL = 75
TOKEN = re.compile(rb"^X-Token: (\S+)\r$", re.M)


class Fetching:
    """An instance, and its [fetch work]."""

    def __init__(self, one):
        self.one = one
        self.base = read_ini(one)

    def section(self, name="work", **keys):
        """Replaces all sections by this one."""
        keys = {"TLS": "none", "User": "ann", "Password": "secret", "Routing": "mailbox ann", "Interval": "manual", **keys}
        lines = "".join(f"{key.replace('_', ' ')} = {value}\n" for key, value in keys.items() if value is not None)
        with open(self.one.path("config", "mail.ini"), "w") as f:
            f.write(f"{self.base}\n[fetch {name}]\n{lines}")
        self.one.ctl("reload")

    def trace(self):
        self.one.configure("Trace Fetcher", "true")
        self.base = read_ini(self.one)

    def now(self, name="work", code=0):
        done = self.one.ctl("fetch", "now", name, "--json", check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        section, = json.loads(done.stdout)["sections"]
        return section

    def taken(self, name="work", code=0):
        counts = self.now(name, code)["counts"]
        return counts["new"], counts["before"]

    def wait_state(self, state):
        """Of the one section."""
        wait_until(lambda: self.one.json("fetch", "list")["sections"][0]["state"] == state, self.one.path("log", "fetcher.log"))


def read_ini(one):
    with open(one.path("config", "mail.ini")) as f:
        return f.read()


def mail(token, to="ann@example.test", size=0, **fields):
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{head}From: s@far.test\r\nTo: {to}\r\nSubject: {token}\r\nX-Token: {token}\r\n\r\n{'x' * 70 + chr(13) + chr(10) if size else ''}".encode() \
        + b"y" * max(0, size - 200) + b"\r\n"


def tokens(one, user="ann"):
    return collections.Counter(TOKEN.search(m).group(1).decode() for m in one.messages(user))


def empty(one, user):
    with one.pop(user) as pop:
        for number in range(1, len(one.mailbox(user)) + 1):
            pop.ok(f"DELE {number}")
        pop.quit()
