#!/usr/bin/python3
"""make check-package: installs, uses, upgrades and removes the Debian package on a system with systemd.

usage: tests/package/check_package.py FILE.deb [package] [source] [confined]      (default: all of them)

The systems are Debians of their own with a loopback network only: the first two booted in namespaces, the third,
for what needs Debian's kernel, in a virtual machine. Needs root. The last line is "N passed, N failed"; a machine
on which it cannot be done says so, and ends with status 77; where only the virtual machine cannot be, its steps
are named. All processes and mounts are in namespaces that end with this program, however it ends.
"""
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

import check                                        # noqa: E402
import root                                         # noqa: E402
import vm                                           # noqa: E402
from container import Container                     # noqa: E402
from machine import count, outcome                  # noqa: E402
import steps_confined                               # noqa: E402
import steps_install                                # noqa: E402
import steps_programs                               # noqa: E402
import steps_service                                # noqa: E402
import steps_source                                 # noqa: E402
import steps_upgrade                                # noqa: E402

CLONE_NEWNS, CLONE_NEWPID, PR_SET_PDEATHSIG = 0x20000, 0x20000000, 1
libc = ctypes.CDLL(None, use_errno=True)


def cannot(reason):
    print(f"this machine cannot run it: {reason}")
    sys.exit(77)


def look_at_machine():
    if os.geteuid() != 0:
        cannot("only root makes namespaces and mounts")
    for tool in ("systemd-nspawn", "debootstrap", "nsenter", "dpkg-deb"):
        if shutil.which(tool) is None:
            cannot(f"there is no {tool}")


def run_apart(work):
    """Calls work() in a child with mounts and processes of its own, which the kernel ends with that child."""
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID) == -1:
        cannot(f"namespaces: {os.strerror(ctypes.get_errno())}")
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()                 # signals of a terminal come once, from the parent
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        status = 1
        try:
            status = work()
        except SystemExit as e:
            status = e.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: os.kill(child, n))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_container(tally, base, folder, package, steps):
    machine = None
    try:
        machine = Container(base, folder, package)
        machine.boot()
        for step in steps:
            count(tally, outcome(machine, step))
    finally:
        if machine is not None:
            machine.end()


def run_virtual(tally, base, folder, package, steps):
    vm.run(tally, base, folder, package, [step.__name__ for step in steps])


# In this order; each list is one machine's life.
MACHINES = {
    "package": (run_container, [*steps_install.FIRST, *steps_service.STEPS, *steps_programs.STEPS, *steps_upgrade.STEPS,
                                *steps_install.LAST]),
    "source": (run_container, steps_source.STEPS),
    "confined": (run_virtual, steps_confined.STEPS),
}


def mount_privately():
    """Nothing that is mounted here is seen outside, and /proc shows these processes."""
    for words in (("mount", "--make-rprivate", "/"), ("mount", "-t", "proc", "proc", "/proc")):
        if os.spawnvp(os.P_WAIT, words[0], words) != 0:
            cannot("mounts")


def work(package, names, folder):
    mount_privately()
    build = os.path.join(root.TOP, "build")
    os.makedirs(build, exist_ok=True)
    base = root.base_for(package, build)
    tally = check.Tally()
    for name in names:
        check.say(f"a machine: {name}")
        run, steps = MACHINES[name]
        os.mkdir(os.path.join(folder, name))
        run(tally, base, os.path.join(folder, name), package, steps)
    return tally.end()


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(MACHINES):
        sys.exit(__doc__)
    package, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(MACHINES)
    look_at_machine()
    folder = tempfile.mkdtemp(prefix="package-", dir=os.environ.get("TMPDIR"))
    try:
        status = run_apart(lambda: work(package, names, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
