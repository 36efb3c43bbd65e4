"""indexer as store talks to it: it knows its charsets although it can open no file, and whatever it is handed it answers."""
import contextlib
import os
import struct

import pytest

from events import wait_until
from ipc import connect, message, send

INDEX, READY, TEXT, ROW = 1, 2, 3, 4
FIELDS = ("from", "to", "recipients", "subject", "message_id", "references", "preview", "problem")


@pytest.fixture
def indexer(instance):
    """A connection of store's to a process of its own."""
    with contextlib.closing(connect(instance, "indexer", "store")) as sock:
        kind, tag = struct.unpack("=IQ", sock.recv(65536))
        assert (kind, tag) == (READY, 0)
        yield sock


def index(sock, content, tag=1):
    fd = os.memfd_create("message")
    os.write(fd, content)
    assert send(sock, message(INDEX, tag=tag), [fd])
    os.close(fd)


def answer(sock, tag=1):
    """The row as a dict, with its text."""
    text = b""
    while True:
        data = sock.recv(65536)
        kind, got = struct.unpack("=IQ", data[:12])
        assert got == tag
        if kind == TEXT:
            text += data[16:]
            continue
        assert kind == ROW
        row, at = {"text": text.decode()}, 28
        row["flags"], row["date"] = struct.unpack("=Qq", data[12:28])
        for name in FIELDS:
            length, = struct.unpack("=I", data[at:at + 4])
            row[name] = data[at + 4:at + 4 + length].decode()
            at += 4 + length
        assert at == len(data)
        return row


CHARSETS = {"utf-8": "Grüße €", "iso-8859-1": "Grüße", "iso-8859-15": "€", "windows-1252": "€ „x“", "windows-1251": "Привет", "koi8-r": "Привет",
            "iso-8859-2": "Zażółć", "iso-8859-7": "Γειά", "gb2312": "你好", "gb18030": "你好", "big5": "你好", "iso-2022-jp": "こんにちは", "shift_jis": "こんにちは",
            "euc-jp": "こんにちは", "euc-kr": "안녕", "utf-16": "Grüße", "utf-7": "Grüße", "windows-1256": "سلام", "tis-620": "สวัสดี"}


@pytest.mark.parametrize("charset", CHARSETS)
def test_charsets_need_no_files(indexer, charset):
    text = CHARSETS[charset]
    words = b"=?" + charset.encode() + b"?Q?" + b"".join(b"=%02X" % c for c in text.encode(charset)) + b"?="
    index(indexer, b"Subject: " + words + b"\r\nContent-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + text.encode(charset) + b"\r\n"
          if charset != "utf-16" else b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + text.encode(charset))
    row = answer(indexer)
    assert row["text"].strip() == text
    assert row["preview"] == text
    if charset != "utf-16":
        assert row["subject"] == text


def test_many_wait_their_turn(indexer):
    for tag in range(1, 17):
        index(indexer, b"Subject: %d\r\n\r\nx\r\n" % tag, tag)
    for tag in range(1, 17):
        assert answer(indexer, tag)["subject"] == str(tag)


HOSTILE = {
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(100000)),
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 1000000,
    "header": b"Subject: " + b"a" * 50_000_000 + b"\r\n\r\nx",
    "parameters": b"Content-Type: text/plain" + b"".join(b"; name*%d=a" % i for i in range(100000)) + b"\r\n\r\nx",
    "html": b"Content-Type: text/html\r\n\r\n<p " + b"".join(b"a%d=b " % i for i in range(200000)) + b">x",
    "received": b"Received: by a\r\n" * 100000 + b"\r\nx",
    "random": os.urandom(1_000_000),
    "zeros": bytes(1_000_000),
    "empty": b"",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_survives_what_hurts(indexer, what):
    index(indexer, HOSTILE[what])
    answer(indexer)
    index(indexer, b"Subject: next\r\n\r\nx\r\n", 2)
    assert answer(indexer, 2)["subject"] == "next"


def test_garbage_ends_the_process_only(instance, indexer):
    send(indexer, b"\0" * 3)
    wait_until(lambda: indexer.recv(100) == b"", instance.path("log"))
    instance.wait_log("indexer", "cannot read from store|malformed")
    instance.expect_alarm("cannot read from store|malformed")

