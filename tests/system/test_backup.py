"""Backups: made while mail comes and goes, whole or not at all, for a week, and harmless whatever lies in a mailbox."""
import glob
import json
import os
import re
import shutil
import time

import pytest

from clients import text_message
from sambar import read


USERS = ("ann", "bob", "carl")


def backup_path(one, *parts):
    return one.path("backup", *parts)


def days(one):
    return [b["day"] for b in one.json("backup", "list")["backups"]]


def tree(path):
    """All files below a directory: {relative path: bytes}."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            found[os.path.relpath(full, path)] = os.readlink(full) if os.path.islink(full) else read(full)
    return found


def messages_of(found):
    return {path: text for path, text in found.items() if re.search(r"(^|/)(new|cur)/", path)}


def test_a_backup_is_a_maildir_of_links(instance):
    for token in ("one", "two"):
        instance.send(text_message(token), "ann@example.test", "bob@example.test")
    instance.wait_mailbox("ann", 2)
    instance.wait_mailbox("bob", 2)
    made = instance.json("backup", "now")
    assert (made["mailboxes"], made["messages"], made["copied"], made["skipped"], made["verified"]) == (3, 4, 0, 0, True), made
    day = backup_path(instance, made["day"])
    for user in ("ann", "bob", "carl"):
        live, kept = tree(instance.mailbox_path(user)), tree(os.path.join(day, user))
        assert messages_of(kept) == messages_of(live)
        assert "inbox.fld" in kept and not any("index.db" in path for path in kept)
        for path in messages_of(kept):
            assert os.stat(os.path.join(day, user, path)).st_ino == os.stat(os.path.join(instance.mailbox_path(user), path)).st_ino
    summary = json.loads(read(os.path.join(day, "summary.json")))
    assert summary == made
    assert instance.json("backup", "list") == {"backups": [made]}
    assert re.search(rf"{made['day']} .* 3 +4 .* yes", instance.ctl("backup", "list").stdout)
    counters = instance.counters("store")
    assert (counters["backups"], counters["backup_made_s"], counters["backup_failed"]) == (1, made["made"], 0)
    instance.wait_log("store", rf"backup day={made['day']} mailboxes=3 messages=4 ")
