#!/usr/bin/python3
"""make check: builds everything, plain and with sanitizers, and runs all tests.

The last line is "N passed, N failed"; the exit status is 0 when none failed. A test that was
skipped counts as failed unless its reason starts with "this machine cannot".

usage: tests/check.py [unit] [fuzz] [system] [plain] [sanitize]     (default: all of them)
"""
import collections
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = len(os.sched_getaffinity(0))
FUZZ_INPUTS = 20000
EXCUSE = "this machine cannot"
BUILDS = {
    "plain": (os.environ.get("BUILD_PLAIN", "build"), []),
    "sanitize": (os.environ.get("BUILD_SANITIZE", "build-sanitize"), ["SANITIZE=1"]),
}
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:disable_coredump=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


class Tally:
    def __init__(self):
        self.passed, self.failures, self.excused = 0, [], []

    def fail(self, what, detail=""):
        self.failures.append(what)
        print(f"FAILED {what}")
        for line in detail.rstrip().splitlines()[-60:]:
            print(f"    {line}")
        sys.stdout.flush()

    def end(self):
        for reason in sorted(set(self.excused)):
            print(f"skipped: {reason}")
        for what in self.failures:
            print(f"failed: {what}")
        print(f"{self.passed} passed, {len(self.failures)} failed")
        return 1 if self.failures else 0


def say(text):
    print(f"== {text} [{time.monotonic() - STARTED:.0f} s]", flush=True)


def build(tally, kind, goals):
    folder, options = BUILDS[kind]
    made = subprocess.run(["make", "-s", "-k", f"-j{CORES}", f"B={folder}", *options, *goals], cwd=TOP,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if made.returncode != 0:
        tally.fail(f"{kind}: build of {' '.join(goals)}", made.stdout)


def run_program(command, extra):
    done = subprocess.run(command, cwd=TOP, env=dict(os.environ, **extra), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return done.returncode, done.stdout


def unit_result(tally, kind, name, status, output):
    """Counts cmocka's TAP lines; an end without all of the plan's lines is one more failure."""
    plan = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", output, re.M))
    results = re.findall(r"^(not ok|ok)(?: \d+)?(?: - | )([^\n]*)", output, re.M)
    seen = 0
    for word, text in results:
        seen += 1
        if word == "not ok":
            tally.fail(f"{kind} unit {name}: {text}")
        elif "# SKIP" in text:
            tally.fail(f"{kind} unit {name}: skipped: {text}")
        else:
            tally.passed += 1
    bad = any(word == "not ok" for word, _ in results)
    if plan == 0 or seen != plan or (status != 0 and not bad):
        tally.fail(f"{kind} unit {name}: ended with status {status} after {seen} of {plan} tests", output)
    elif bad:
        print(output)


def run_all(tally, kind, what, commands, result):
    extra = dict(SANITIZER_OPTIONS if kind == "sanitize" else {}, CMOCKA_MESSAGE_OUTPUT="TAP")
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        jobs = [(name, pool.submit(run_program, command, extra)) for name, command in commands]
        for name, job in jobs:
            status, output = job.result()
            result(tally, kind, name, status, output)


def wanted_programs(kind, folder, pattern, suffix):
    for source in sorted(glob.glob(os.path.join(TOP, "tests", folder, pattern))):
        name = os.path.basename(source)[:-2]
        yield name[:-len(suffix)], os.path.join(TOP, BUILDS[kind][0], folder, name)


def unit(tally, kind):
    say(f"{kind}: unit tests")
    commands = [(name, [path]) for name, path in wanted_programs(kind, "unit", "*_test.c", "_test")]
    missing = [name for name, command in commands if not os.path.exists(command[0])]
    for name in missing:
        tally.fail(f"{kind} unit {name}: was not built")
    run_all(tally, kind, "unit", [c for c in commands if c[0] not in missing], unit_result)


def fuzz_result(tally, kind, name, status, output):
    if status == 0:
        tally.passed += 1
    else:
        tally.fail(f"{kind} fuzz {name}: ended with status {status}", output)


def fuzz(tally, kind):
    say(f"{kind}: fuzz targets, {FUZZ_INPUTS} inputs each")
    commands = []
    for name, path in wanted_programs(kind, "fuzz", "*_fuzz.c", "_fuzz"):
        if os.path.exists(path):
            commands.append((name, [path, "-n", str(FUZZ_INPUTS)]))
        else:
            tally.fail(f"{kind} fuzz {name}: was not built")
    run_all(tally, kind, "fuzz", commands, fuzz_result)


def count_cases(tally, kind, report):
    took = collections.Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        took[case.get("classname").split(".")[-1]] += float(case.get("time"))
        name = f"{kind} system {case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failures.append(name)
        elif skipped is None:
            tally.passed += 1
        elif skipped.get("message", "").startswith(EXCUSE):
            tally.excused.append(f"{name}: {skipped.get('message')}")
        else:
            tally.fail(f"{name}: skipped: {skipped.get('message')}")
    print("longest: " + ", ".join(f"{module} {seconds:.0f} s" for module, seconds in took.most_common(12)), flush=True)


def system(tally, kind):
    say(f"{kind}: system tests")
    workers = 2 * CORES  # most of them wait for the next second, or for a process
    folder = os.path.join(TOP, BUILDS[kind][0])
    extra = {"SAMBAR_BUILD": folder, "SAMBAR_SANITIZED": "1" if kind == "sanitize" else "",
             "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        status = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-n{workers}", "--dist=loadfile",
             "--tb=short", f"--junitxml={report}", "tests/system", "tests/crash"],
            cwd=TOP, env=dict(os.environ, **extra), stdin=subprocess.DEVNULL).returncode
        before = len(tally.failures)
        if os.path.exists(report):
            count_cases(tally, kind, report)
        if status != 0 and len(tally.failures) == before:
            tally.fail(f"{kind} system: pytest ended with status {status}")


STAGES = {"unit": (unit, ["unit"]), "fuzz": (fuzz, ["fuzz"]), "system": (system, ["all", "probe"])}


def main(words):
    unknown = [w for w in words if w not in STAGES and w not in BUILDS]
    if unknown:
        sys.exit(__doc__)
    stages = [s for s in STAGES if s in words] or list(STAGES)
    kinds = [k for k in BUILDS if k in words] or list(BUILDS)
    tally = Tally()
    for kind in kinds:
        own = [s for s in stages if not (s == "fuzz" and kind == "plain" and "sanitize" in kinds)]
        say(f"{kind}: build")
        build(tally, kind, [goal for stage in own for goal in STAGES[stage][1]])
        for stage in own:
            STAGES[stage][0](tally, kind)
    return tally.end()


STARTED = time.monotonic()
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
