"""A root booted with Debian's kernel in a virtual machine, for what this machine's kernel may lack.

Its disk is a file made of the root and of the tests, which take their steps in there (guest.py) and tell the
outcomes on a port. It has no network, and is a child of this process.
"""
import glob
import json
import os
import re
import shutil
import subprocess

from check import EXCUSE
from machine import count
from root import TOP, Overlay

QEMU = "qemu-system-x86_64"
PORT = "sambar.steps"
DISK_BYTES = 8 * 1024 ** 3          # most of it holes
MEMORY_MIB, CORES = 2048, 2
CONSOLE_LINES = 60
# Not of interest here, and slow where the processor is emulated.
MASKED = ("apt-daily-upgrade.timer", "apt-daily.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty.target",
          "man-db.timer", "systemd-update-utmp.service")
# What comes along: the steps, and what they take from the tests of the system.
FILES = ["tests/package/*.py", *(f"tests/system/{name}.py" for name in ("events", "popserver", "web"))]
UNIT = """[Unit]
Requires=dev-virtio\\x2dports-{port}.device
After=dev-virtio\\x2dports-{port}.device
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 /root/tests/package/guest.py {names}

[Install]
WantedBy=multi-user.target
"""


def lacking():
    """Why this machine cannot boot one, or None."""
    return None if shutil.which(QEMU) else f"there is no {QEMU}"


def accelerator():
    """KVM of a processor that has it; elsewhere there may be a /dev/kvm, too, on which only some kernels run."""
    with open("/proc/cpuinfo") as f:
        able = re.search(r"^flags\s.*\b(vmx|svm)\b", f.read(), re.M)
    if able and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off,svm=off"]


def prepare(root, package, names):
    for pattern in FILES:
        for path in glob.glob(os.path.join(TOP, pattern)):
            copy = os.path.join(root, "root", os.path.relpath(path, TOP))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(path, copy)
    shutil.copy(package, os.path.join(root, "root/tests/package.deb"))
    units = os.path.join(root, "etc/systemd/system")
    with open(os.path.join(units, "steps.service"), "w") as f:
        f.write(UNIT.format(port=PORT, names=" ".join(names)))
    os.makedirs(os.path.join(units, "multi-user.target.wants"), exist_ok=True)
    os.symlink("../steps.service", os.path.join(units, "multi-user.target.wants/steps.service"))


def make_disk(base, folder, package, names):
    """Leaves disk, vmlinuz and initrd in the folder."""
    overlay = Overlay(base, os.path.join(folder, "tree"))
    try:
        prepare(overlay.path, package, names)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(os.path.realpath(os.path.join(overlay.path, name)), os.path.join(folder, name))
        with open(os.path.join(folder, "disk"), "wb") as f:
            f.truncate(DISK_BYTES)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", overlay.path, os.path.join(folder, "disk")], check=True)
    finally:
        overlay.end()


def command(folder):
    here = lambda name: os.path.join(folder, name)      # noqa: E731
    return [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", *accelerator(), "-smp", str(CORES), "-m", str(MEMORY_MIB), "-nic", "none", "-no-reboot",
            "-kernel", here("vmlinuz"), "-initrd", here("initrd.img"),
            "-append", " ".join(["root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off",
                                 "modprobe.blacklist=kvm,powernow_k8,aesni_intel", *(f"systemd.mask={unit}" for unit in MASKED)]),
            "-drive", f"file={here('disk')},format=raw,if=virtio,cache=unsafe",
            "-device", "virtio-rng-pci", "-serial", f"file:{here('console')}",
            "-chardev", "file,id=steps,path=/dev/stdout", "-device", "virtio-serial-pci",
            "-device", f"virtserialport,chardev=steps,name={PORT}"]


def last_words(folder):
    try:
        with open(os.path.join(folder, "console"), errors="replace") as f:
            return "".join(f.readlines()[-CONSOLE_LINES:])
    except FileNotFoundError:
        return ""


def run(tally, base, folder, package, names):
    """Boots a machine that takes the named steps of guest.py, and counts their outcomes."""
    left = list(names)
    if lacking():
        tally.excused += [f"{EXCUSE} boot a virtual machine, as {lacking()}: {name}" for name in names]
        return
    make_disk(base, folder, package, names)
    with subprocess.Popen(command(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as qemu:
        try:
            for line in qemu.stdout:
                told = json.loads(line)
                left.remove(told["step"])
                count(tally, told)
        except BaseException:
            qemu.kill()             # or it would be waited for
            raise
    for name in left:
        tally.fail(name, "the virtual machine has ended\n" + last_words(folder))
