"""An instance that collects from other hosts."""
import json

from events import wait_until


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
