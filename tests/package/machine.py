"""What steps do with a machine, whichever kind it is: commands, files, the journal. And what a step's outcome is."""
import json
import os
import queue
import subprocess
import threading
import time
import traceback

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "TERM": "dumb"}


class Machine:
    """Runs already. root: where its files are. package, folder: the package file, and room beside the machine."""

    enter = ()                      # words in front of each command

    def __init__(self, root, folder, package):
        self.root, self.folder, self.package = root, folder, package
        self.events = queue.Queue()
        self.seen, self.first = [], 0
        self.journal = None

    # ---- commands ----

    def command(self, *words, user=None):
        return [*self.enter, *(["runuser", "-u", user, "--"] if user else []), *words]

    def start(self, *words, user=None, **options):
        return subprocess.Popen(self.command(*words, user=user), env=ENVIRONMENT, text=True, **options)

    def run(self, *words, user=None, stdin="", check=True, env=None):
        """Runs to the end: what it printed, standard error too."""
        done = subprocess.run(self.command(*words, user=user), env={**ENVIRONMENT, **(env or {})}, input=stdin, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout if check else (done.returncode, done.stdout)

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    # ---- files ----

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    # ---- the journal ----

    def follow_journal(self):
        self.journal = self.start("journalctl", "--follow", "--output=json", "--all", "--lines=all",
                                  stdout=subprocess.PIPE)
        threading.Thread(target=self.read_journal, daemon=True).start()

    def read_journal(self):
        for line in self.journal.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def begin(self):
        """What the journal has told so far is of no interest to the next step."""
        while not self.events.empty():
            self.seen.append(self.events.get())
        self.first = len(self.seen)

    def wait_journal(self, wanted, after=None):
        """The first entry since begin(), or after another one, for which wanted() is true."""
        at = self.first if after is None else self.seen.index(after) + 1
        while True:
            if at == len(self.seen):
                self.seen.append(self.events.get())
            entry = self.seen[at]
            assert entry is not None, "the journal has ended"
            if wanted(entry):
                return entry
            at += 1

    def all_journal(self):
        return [json.loads(line) for line in self.run("journalctl", "--output=json", "--all").splitlines()]


# ---- steps ----


def outcome(machine, step):
    """Takes the step: what count() is to know of it."""
    started, error = time.monotonic(), None
    try:
        machine.begin()
        step(machine)
    except Exception:
        error = traceback.format_exc()
    return {"step": step.__name__, "what": step.__doc__.splitlines()[0], "error": error,
            "seconds": round(time.monotonic() - started)}


def count(tally, told):
    if told["error"] is not None:
        tally.fail(told["step"], told["error"])
        return
    tally.passed += 1
    print(f"passed {told['step']}: {told['what']} [{told['seconds']} s]", flush=True)
