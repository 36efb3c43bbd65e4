"""Fixtures of the system tests: instances that end with their test, and a guard against hangs."""
import faulthandler
import os
import signal
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "system"))
import fetching  # noqa: E402
import internet as outside  # noqa: E402
import network  # noqa: E402
import sambar  # noqa: E402

# Only a hang ends a test: nothing is decided by how long it takes.
GUARD_S = 600 if sambar.SANITIZED else 300
if sambar.SANITIZED:
    # Sanitizers and system call filters exclude each other; the plain build runs these.
    collect_ignore_glob = ["system/test_confinement.py"]


def pytest_make_parametrize_id(val):
    """Names of cases stay short, whatever bytes they feed."""
    return repr(val)[:40] if isinstance(val, (bytes, str)) else None


# They begin first, so that nobody waits for one of them at the end.
LONGEST = ("test_crash", "test_fetcher_kills", "test_outgoing_faults", "test_administration", "test_disk_full", "test_webmail", "test_hostile_ipc",
           "test_fetcher_servers", "test_backup")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


class Hang(BaseException):
    pass


hung = set()        # modules in which a test hung: what is left of them fails at once


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    def on_alarm(_number, _frame):
        hung.add(item.module)
        faulthandler.dump_traceback()
        raise Hang(f"nothing happened for {GUARD_S} s")

    if threading.current_thread() is not threading.main_thread():
        # Seldom a worker of xdist does not run in its main thread, where no signal can be caught: then it ends as a whole.
        faulthandler.dump_traceback_later(GUARD_S, exit=True)
        yield
        faulthandler.cancel_dump_traceback_later()
        return
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(GUARD_S)
    yield
    signal.alarm(0)


def pytest_runtest_setup(item):
    assert item.module not in hung, "a test of this module hung"


@pytest.fixture
def elsewhere():
    """An address of this machine that is not loopback, in a network of the test's own."""
    with network.private_network() as address:
        if address is None:
            pytest.skip("this machine cannot: only root can make a network namespace")
        yield address


@pytest.fixture(scope="module")
def internet(request):
    """Name servers, hosts and certificates in a network of the module's own; ZONE, SIGNED, RESOLVER and REVERSE are the module's."""
    module = request.module
    with network.private_network() as address:
        if address is None:
            pytest.skip("this machine cannot: only root can make a network namespace")
        world = outside.Internet(getattr(module, "ZONE", ""), getattr(module, "SIGNED", ""), getattr(module, "RESOLVER", False), getattr(module, "REVERSE", ""))
        yield world
        world.end()


def finish(instances):
    alarms = [line for instance in instances for line in instance.end()]
    assert not alarms, "\n".join(alarms)


def module_instance(module):
    one = sambar.Instance(users=getattr(module, "USERS", ("ann", "bob")), config=getattr(module, "CONFIG", {}))
    yield one
    finish([one])


@pytest.fixture(scope="module")
def instance(request):
    """One running instance for a module; its users and settings are the module's USERS and CONFIG."""
    yield from module_instance(request.module)


@pytest.fixture(scope="module")
def online(request, internet):
    """The same within the module's internet."""
    yield from module_instance(request.module)


@pytest.fixture
def make_instance():
    """Makes instances that end with the test."""
    made = []

    def make(**options):
        made.append(sambar.Instance(**options))
        return made[-1]

    yield make
    finish(made)


@pytest.fixture
def here(make_instance):
    """An instance that collects."""
    return fetching.Fetching(make_instance(users=("ann", "bob", "lost")))


@pytest.fixture(scope="module")
def there():
    """Our own server at another host."""
    one = sambar.Instance(users=("src", "other"))
    yield one
    finish([one])
