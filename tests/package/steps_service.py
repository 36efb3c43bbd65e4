"""The service under systemd: its state, its sandbox, its watchdog and its lines in the journal."""
import re
import signal

# Of 10. What is left is what a supervisor needs that binds ports and starts each program under an account and a root
# directory of its own: four capabilities and their system calls, the network.
EXPOSURE_MAX = 1.9
SERVICE = "sambar.service"


def show(m, what):
    return m.run("systemctl", "show", "--value", f"--property={what}", SERVICE).strip()


def main_pid(m):
    return int(show(m, "MainPID"))


def event(name, **fields):
    """Says of a journal entry whether it is this event, with these keys."""
    def is_it(entry):
        return entry.get("SAMBAR_EVENT") == name and all(
            value in entry.get(f"SAMBAR_{key.upper()}", "") for key, value in fields.items())
    return is_it


def service_is_active(m):
    """Type=notify: it is active when all programs run, and says so."""
    assert show(m, "Type") == "notify" and show(m, "ActiveState") == "active" and show(m, "UnitFileState") == "enabled"
    assert "Active: active (running)" in m.run("systemctl", "status", "--no-pager", SERVICE)
    m.run("sambarctl", "check")
    programs = m.run("sambarctl", "status")
    assert "smtpd" in programs and "backoff" not in programs
    runs = [e["MESSAGE"] for e in m.all_journal() if " runs: " in e.get("MESSAGE", "")]
    assert len(runs) >= 9 and all("chroot account no_new_privs" in line and "seccomp" in line for line in runs), runs
    assert m.sh("stat -c '%a %U' /run/sambar").split() == ["711", "sambar-master"]
    assert m.run("systemctl", "is-system-running", check=False)[1].strip() == "running", m.run("systemctl", "--failed")


def sandbox_is_tight(m):
    """systemd-analyze security: what the supervisor does not need it does not have."""
    told = m.run("systemd-analyze", "security", "--no-pager", SERVICE)
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)[1])
    assert exposure <= EXPOSURE_MAX, told
    assert m.run("systemd-analyze", "verify", f"/lib/systemd/system/{SERVICE}").strip() == ""


def supervisor_is_not_root(m):
    """Its account, what it sees of the system, and the files that are its own."""
    state = dict(line.split(":\t", 1) for line in m.sh(f"cat /proc/{main_pid(m)}/status").splitlines() if ":\t" in line)
    assert state["CapEff"] == state["CapBnd"] == "00000000000404c0", state
    assert m.run("ps", "-o", "user:20=", "-p", str(main_pid(m))).strip() == "sambar-master"
    root = f"/proc/{main_pid(m)}/root"
    assert set(m.sh(f"ls {root}/run").split()) <= {"sambar", "systemd", "resolvconf", "NetworkManager"}
    assert set(m.sh(f"ls {root}/run/systemd").split()) <= {"journal", "notify", "resolve", "incoming"}
    owners = m.sh("stat -c '%U %G %a %n' /etc/sambar/config.ini /etc/sambar/tls.key /var/log/sambar /var/log/sambar/master.log").splitlines()
    assert owners == ["sambar-master sambar-master 640 /etc/sambar/config.ini", "sambar-master sambar-master 600 /etc/sambar/tls.key",
                      "sambar-master adm 2750 /var/log/sambar", "sambar-master adm 640 /var/log/sambar/master.log"], owners


def mailbox_by_hand_is_taken_over(m):
    """What root makes below the mail directory belongs to the guardian of mailboxes soon after."""
    box = "/var/lib/sambar/mail/mbox/hand"
    m.sh(f"mkdir {box}; : >{box}/inbox.fld")
    m.wait_journal(lambda e: e.get("_SYSTEMD_UNIT") == "sambar-owners.service" and m.sh(f"stat -c %U {box}").strip() == "sambar-store")
    m.run("sendmail", "hand", stdin="Subject: by hand\n\nx\n")
    m.wait_journal(event("delivered", to="hand@"))


def journal_has_fields(m):
    """A message's lines are in the journal with its id, its program and each of their keys."""
    m.run("sendmail", "root", stdin="Subject: journal\n\nx\n")
    accepted = m.wait_journal(event("accepted", client="userid-0"))
    queue_id = accepted["SAMBAR_QUEUE_ID"]
    assert accepted["SYSLOG_IDENTIFIER"] == "sambar-smtpd" and accepted["PRIORITY"] == "6"
    delivered = m.wait_journal(event("delivered"))
    assert delivered["SAMBAR_QUEUE_ID"] == queue_id and delivered["SAMBAR_TO"].startswith("root@")
    assert delivered["_SYSTEMD_UNIT"] == SERVICE
    found = m.run("journalctl", "-o", "cat", f"SAMBAR_QUEUE_ID={queue_id}")
    assert f"{queue_id} delivered to=<root@" in found
    assert queue_id in m.sh("cat /var/log/sambar/smtpd.log")


def watchdog_restarts(m):
    """A supervisor that hangs is killed and started again, and what clients sent meanwhile arrives."""
    m.sh("mkdir -p /run/systemd/system/sambar.service.d; "
         "printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/sambar.service.d/watchdog.conf; "
         "systemctl daemon-reload; systemctl restart sambar.service")
    pid = main_pid(m)
    m.sh(f"kill -STOP {pid}")
    m.run("sendmail", "root", stdin="Subject: while it hangs\n\nx\n")
    hung = m.wait_journal(lambda e: "Watchdog timeout" in e.get("MESSAGE", ""))
    m.wait_journal(lambda e: e.get("MESSAGE") == "all programs run", after=hung)
    m.run("systemctl", "is-active", SERVICE)
    assert main_pid(m) != pid
    m.sh("rm -r /run/systemd/system/sambar.service.d; systemctl daemon-reload; systemctl restart sambar.service")


STEPS = [service_is_active, sandbox_is_tight, supervisor_is_not_root, mailbox_by_hand_is_taken_over, journal_has_fields, watchdog_restarts]
