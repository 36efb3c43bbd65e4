"""A network of a test's own, in which this machine has an address that is not loopback."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP = 1
ADDRESS = "192.0.2.1"                   # of RFC 5737: nobody's


def set_interface(name, request, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, request, struct.pack("16s24s", name.encode(), data))


def add_addresses(v4, v6):
    """One more IPv4 and an IPv6 address, within a private_network()."""
    set_interface("lo:2", SIOCSIFADDR, struct.pack("hH4s", socket.AF_INET, 0, socket.inet_aton(v4)))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        # struct in6_ifreq: address, length of the prefix, index of the interface
        fcntl.ioctl(sock, SIOCSIFADDR, struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, v6), 128,
                                                   socket.if_nametoindex("lo")))


@contextlib.contextmanager
def private_network():
    """Puts the calling thread, and what it starts, into a network namespace; gives the address, or None without the right."""
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            yield None
            return
        set_interface("lo", SIOCSIFFLAGS, struct.pack("h", IFF_UP))
        set_interface("lo:1", SIOCSIFADDR, struct.pack("hH4s", socket.AF_INET, 0, socket.inet_aton(ADDRESS)))
        yield ADDRESS
    finally:
        libc.setns(outside, CLONE_NEWNET)
        os.close(outside)
