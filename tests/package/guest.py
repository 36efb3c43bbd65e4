#!/usr/bin/python3
"""In a virtual machine: takes the steps whose names are its arguments, in that order, on the machine that it runs on.

Each outcome is a line of JSON on the port that vm.py reads.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from machine import Machine, outcome                # noqa: E402
import steps_confined                               # noqa: E402

PORT = "/dev/virtio-ports/sambar.steps"
FOLDER, PACKAGE = "/root/steps", "/root/tests/package.deb"


def main(names):
    steps = {step.__name__: step for step in steps_confined.STEPS}
    os.makedirs(FOLDER)
    machine = Machine("/", FOLDER, PACKAGE)
    machine.follow_journal()
    with open(PORT, "w") as port:
        for name in names:
            print(json.dumps(outcome(machine, steps[name])), file=port, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
