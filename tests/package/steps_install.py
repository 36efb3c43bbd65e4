"""The package comes and goes: apt on a machine without a network, beside other MTAs, and what is left."""
import os
import re
import shutil

APT = ("apt-get", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Options::=--force-unsafe-io")
# Not the package's: logs and caches of the system, what its own timers write, and a directory of AppArmor's that
# the end of any profile takes away while it is empty.
NOT_OURS = re.compile(r"^/(proc|sys|dev|run|tmp|var/(tmp|cache|log/(apt|journal|dpkg\.log|alternatives\.log|lastlog|wtmp))|"
                      r"var/lib/(apt|dpkg|systemd|logrotate|man-db|ucf)|root|var/backups|etc/sub[ug]id-?|etc/(passwd|group|g?shadow)-|etc/apparmor\.d/disable|var/spool/cron)(/|$)")


def files(m):
    """Every path of the machine that a package answers for, with its kind and mode."""
    found = m.sh("find / -xdev -printf '%p %y %m %u %g\\n'")
    return {line for line in found.splitlines() if not NOT_OURS.match(line.split(" ")[0])}


def account_lines(m):
    return {name: m.sh(f"cat /etc/{name}").splitlines() for name in ("passwd", "group", "shadow", "gshadow")}


def machine_is_bare(m):
    """A Debian with systemd has booted, without an MTA and without a network."""
    m.run("systemctl", "is-system-running", "--wait", check=False)
    assert "sendmail" not in m.sh("ls /usr/sbin")
    assert m.sh("ls /sys/class/net").split() == ["lo"]
    m.before, m.accounts_before = files(m), account_lines(m)


def package_is_installed(m):
    """apt installs the file without a question, and mail works at once."""
    shutil.copy(m.package, m.path("/root/sambar-mail.deb"))
    m.run(*APT, "install", "/root/sambar-mail.deb")
    m.run("dpkg", "--verify", "sambar-mail")
    assert m.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "sambar-mail") == "installed"


def package_is_purged(m):
    """Removed and purged: no file, no account, no process, no unit of it is left."""
    m.run("userdel", "--remove", "ann", check=False)          # and what else the steps before have made
    m.run(*APT, "remove", "sambar-mail")
    assert os.path.isdir(m.path("/var/lib/sambar/mail/mbox/root")), "mail stays when the package is removed only"
    m.run(*APT, "purge", "sambar-mail")
    m.run(*APT, "autoremove", "--purge")
    left = {line.split(" ")[0] for line in files(m) - m.before}
    assert not left, f"left behind: {sorted(left)}"
    lost = {line.split(" ")[0] for line in m.before - files(m)}
    assert not lost, f"taken along: {sorted(lost)}"
    assert account_lines(m) == m.accounts_before
    assert "sambar" not in m.sh("ps -eo user:20,args")
    assert "sambar" not in m.sh("systemctl list-units --all --plain")
    assert not os.path.exists(m.path("/run/sambar"))


def other_mtas_give_way(m):
    """apt puts the package in the place of exim4, and postfix in the place of the package."""
    def installed(name):
        return m.run("dpkg-query", "-W", "-f", "${db:Status-Status}", name, check=False)[1] == "installed"

    m.run(*APT, "install", "exim4-daemon-light")
    m.run(*APT, "install", "/root/sambar-mail.deb")
    assert installed("sambar-mail") and not installed("exim4-daemon-light")
    m.run("sendmail", "root", stdin="Subject: after exim\n\nx\n")
    m.wait_journal(lambda e: e.get("SAMBAR_EVENT") == "delivered" and e["SAMBAR_TO"].startswith("root@"))
    m.run(*APT, "install", "postfix")
    assert installed("postfix") and not installed("sambar-mail")
    m.run(*APT, "purge", "sambar-mail", "postfix", "exim4-base", "exim4-config")
    m.run(*APT, "autoremove", "--purge")


FIRST = [machine_is_bare, package_is_installed]
LAST = [package_is_purged, other_mtas_give_way]
