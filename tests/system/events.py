"""Waiting for what happens in files, by inotify: nothing here looks twice without an event."""
import ctypes
import os
import select

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
MASK = (IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF
        | IN_MOVE_SELF)
libc = ctypes.CDLL(None, use_errno=True)


def existing(path):
    """The path itself, or the nearest directory above it that is there."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def wait_until(predicate, *paths):
    """Returns predicate()'s value as soon as it is true; asks again after each change in the paths.

    A path that is not there yet is waited for. Only the guard of the whole test ends it otherwise.
    """
    fd = libc.inotify_init1(os.O_CLOEXEC)
    if fd == -1:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        while True:
            for path in paths:
                if libc.inotify_add_watch(fd, os.fsencode(existing(path)), MASK) == -1:
                    error = ctypes.get_errno()
                    if os.path.exists(path):
                        raise OSError(error, f"inotify_add_watch {path}")
            value = predicate()
            if value:
                return value
            os.read(fd, 65536)
    finally:
        os.close(fd)


def wait_process_end(pid):
    """Waits until a process, not necessarily a child, has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()        # there may be more descriptors than select() takes
        poll.register(fd, select.POLLIN)
        poll.poll()
    finally:
        os.close(fd)
