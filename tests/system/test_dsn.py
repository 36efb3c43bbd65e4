"""Notifications of delivery as a mail program reads them: Python's email package is the judge of their MIME structure."""
import email
import email.policy
import os
import re
import subprocess

import pytest

from sambar import BUILD

FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED = range(1, 6)
ACTIONS = {FAILED: "failed", DELAYED: "delayed", DELIVERED: "delivered", RELAYED: "relayed", EXPANDED: "expanded"}
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8
ALL = SUCCESS | FAILURE | DELAY
FULL, HDRS = 1, 2
EIGHTBIT, SMTPUTF8 = 1, 2
MESSAGE = (b"Received: from client.example.com by mail.example.org; Fri, 15 Jan 2027 08:00:00 +0000\r\n"
           b"From: ann@example.org\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle\r\n"
           b"Message-ID: <original.1@example.org>\r\n\r\nHello Bob.\r\n")
FIELDS = {"received", "date", "from", "reply-to", "to", "subject", "message-id", "in-reply-to", "references",
          "auto-submitted", "mime-version", "content-type", "content-transfer-encoding"}
BLOCK_FIELDS = {"original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code",
                "last-attempt-date", "will-retry-until"}


def octets(value):
    return value if isinstance(value, bytes) else str(value).encode()


def notify(recipients, message=MESSAGE, **fields):
    """Returns (the notification's bytes, what dsn_print says about it)."""
    fields = {"reverse_path": "ann@example.org", "message": message, **fields}
    pairs = list(fields.items()) + [pair for recipient in recipients for pair in recipient.items()]
    given = b"".join(b"%s %d\n%s\n" % (name.encode(), len(octets(value)), octets(value)) for name, value in pairs)
    done = subprocess.run([os.path.join(BUILD, "dsn_print")], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    said = dict(word.split("=") for word in done.stderr.decode().split())
    return done.stdout, {name: int(value) for name, value in said.items()}


def bob(**more):
    return {"address": "bob@example.net", "event": FAILED, "notify": ALL, "reply": "550 5.1.1 no such user",
            "route": "smtp:mx.example.net", **more}


def defects_of(part):
    found = list(part.defects)
    for value in part.values():
        found += getattr(value, "defects", [])
    return found


def read(octets_, strict=True):
    """Parses; checks what is true of every notification. Returns (message, text, blocks of the report, third part)."""
    for line in octets_.split(b"\r\n"):
        assert len(line) <= 998 and b"\n" not in line and b"\r" not in line and b"\0" not in line
    message = email.message_from_bytes(octets_, policy=email.policy.SMTPUTF8)
    assert not message.defects
    if strict:
        assert not defects_of(message)
    names = [name.lower() for name in message.keys()]
    assert len(set(names)) == len(names) and set(names) <= FIELDS
    assert message.get_content_type() == "multipart/report"
    assert message["Auto-Submitted"] == "auto-replied"
    assert "MAILER-DAEMON@mail.example.org" in message["From"]
    parts = message.get_payload()
    assert len(parts) == 3
    text, report, original = parts
    assert message.get_param("report-type") == report.get_content_subtype()
    for part in parts:
        assert not part.defects
        assert {name.lower() for name in part.keys()} == {"content-type", "content-transfer-encoding",
                                                           "content-description"}
    assert text.get_content_type() == "text/plain"
    return message, text.get_content(), blocks_of(report), original


def blocks_of(report):
    """The report's blocks of fields, unfolded, each a dict."""
    if report.get_content_type() == "message/delivery-status":
        blocks = report.get_payload()
        for block in blocks:
            assert not block.defects and not block.get_payload()
        return [{name: re.sub(r"\r\n", "", value) for name, value in block.items()} for block in blocks if block.keys()]
    assert report.get_content_type() == "message/global-delivery-status"
    # Python knows no such type and reads a message whose body is all but the first block.
    inner = report.get_payload(0)
    rest = inner.get_payload(decode=True).decode("utf-8", "surrogateescape").replace("\r\n ", " ")
    blocks = [dict(inner.items())]
    for block in filter(None, re.split(r"(?:\r?\n){2,}", rest.strip())):
        blocks.append(dict(line.split(": ", 1) for line in block.splitlines()))
    return blocks


def test_failure():
    octets_, said = notify([bob(original="rfc822;Bob+40example.net")], envid="QQ+2B1")
    message, text, blocks, original = read(octets_)
    assert said == {"tell": 1, "keep": 0, "flags": 0, "size": len(octets_)}
    assert message["To"].addresses[0].addr_spec == "ann@example.org"
    assert message["In-Reply-To"] == message["References"] == "<original.1@example.org>"
    assert message["Date"].datetime.timestamp() == 1800000600
    assert blocks[0] == {"Reporting-MTA": "dns; mail.example.org", "Original-Envelope-Id": "QQ+1",
                         "Arrival-Date": blocks[0]["Arrival-Date"]}
    assert email.utils.parsedate_to_datetime(blocks[0]["Arrival-Date"]).timestamp() == 1800000000
    assert list(blocks[1]) == ["Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA",
                               "Diagnostic-Code", "Last-Attempt-Date"]
    assert blocks[1]["Original-Recipient"] == "rfc822; Bob@example.net"
    assert blocks[1]["Final-Recipient"] == "rfc822; bob@example.net"
    assert (blocks[1]["Action"], blocks[1]["Status"]) == ("failed", "5.1.1")
    assert blocks[1]["Remote-MTA"] == "dns; mx.example.net"
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    for words in ("<bob@example.net>", "mx.example.net answered", "550 5.1.1 no such user", "What you can do",
                  "Grüße an alle", "postmaster@mail.example.org"):
        assert words in text
    assert original.get_content_type() == "message/rfc822"
    assert b"\r\n\r\n" + MESSAGE + b"\r\n--" in octets_
    assert original.get_payload(0)["Subject"] == "Grüße an alle"


@pytest.mark.parametrize("event", ACTIONS, ids=ACTIONS.values())
def test_each_kind(event):
    octets_, said = notify([bob(event=event, reply="")], retry_until=1800172800)
    _, text, blocks, original = read(octets_)
    assert said["tell"] == 1 and blocks[1]["Action"] == ACTIONS[event]
    assert blocks[1]["Status"][0] == {FAILED: "5", DELAYED: "4"}.get(event, "2")
    assert ("Will-Retry-Until" in blocks[1]) == (event == DELAYED)
    assert original.get_content_type() == ("message/rfc822" if event == FAILED else "text/rfc822-headers")
    if event != FAILED:
        assert original.get_payload(decode=True) == MESSAGE[:MESSAGE.index(b"\r\n\r\n") + 2]
    assert "bob@example.net" in text


def test_one_notification_for_all_recipients():
    recipients = [bob(address=f"user{i}@example.net", event=1 + i % 5, notify=[ALL, NEVER, 0][i // 5 % 3])
                  for i in range(150)]
    octets_, said = notify(recipients, retry_until=1800172800)
    _, _, blocks, _ = read(octets_)
    told = [(r["address"], ACTIONS[r["event"]]) for r in recipients
            if r["notify"] == ALL or (r["notify"] == 0 and r["event"] in (FAILED, DELAYED))]
    assert [(b["Final-Recipient"].split("; ")[1], b["Action"]) for b in blocks[1:]] == told
    assert said["tell"] == len(told) and said["keep"] == 0


@pytest.mark.parametrize("fields, message", [
    ({"reverse_path": ""}, MESSAGE),
    ({}, b"Auto-Submitted: auto-replied\r\n" + MESSAGE),
    ({}, b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n" + MESSAGE),
], ids=["null sender", "auto-replied", "report"])
def test_nobody_is_told(fields, message):
    octets_, said = notify([bob(event=event) for event in ACTIONS], message, **fields)
    assert octets_ == b"" and said["tell"] == 0 and said["keep"] == 1


def test_a_notification_about_a_notification_is_kept():
    octets_, _ = notify([bob()])
    again, said = notify([bob()], octets_)
    assert again == b"" and said["keep"] == 1


def test_ret_and_size():
    for fields, type_ in (({"ret": FULL}, "message/rfc822"), ({"ret": HDRS}, "text/rfc822-headers"),
                          ({"ret": FULL, "whole_max": len(MESSAGE)}, "message/rfc822"),
                          ({"ret": FULL, "whole_max": len(MESSAGE) - 1}, "text/rfc822-headers")):
        octets_, _ = notify([bob()], **fields)
        assert read(octets_)[3].get_content_type() == type_


@pytest.mark.parametrize("message, flags, type_, encoding, own_flags", [
    ("Subject: x\r\n\r\nÄ\r\n".encode("latin-1"), 0, "message/rfc822", "8bit", EIGHTBIT),
    ("Subject: Ä\r\n\r\nÄ\r\n".encode(), SMTPUTF8, "message/global", "8bit", EIGHTBIT),
    (b"Subject: x\r\n\r\n" + b"a" * 998 + b"\r\n", 0, "message/rfc822", "7bit", 0),
    (b"Subject: x\r\n\r\n" + b"a" * 999 + b"\r\n", 0, "text/rfc822-headers", "7bit", 0),
    (b"Subject: x\r\nX: " + b"a" * 2000 + b" \r\nY: \xe4\r\n\r\n", 0, "text/rfc822-headers", "quoted-printable", 0),
])
def test_how_the_original_is_carried(message, flags, type_, encoding, own_flags):
    octets_, said = notify([bob()], message, flags=flags)
    _, _, _, original = read(octets_)
    assert original.get_content_type() == type_ and original["Content-Transfer-Encoding"] == encoding
    assert said["flags"] == own_flags
    if type_.startswith("message/"):
        assert message in octets_
    else:
        assert original.get_payload(decode=True) == message[:message.index(b"\r\n\r\n") + 2]


def test_utf8_addresses():
    octets_, said = notify([bob(address="jürgen@exämple.net", original="utf-8;jürgen@exämple.net",
                                reply="550 5.1.1 kein Fräulein"), bob()], flags=SMTPUTF8)
    message, text, blocks, _ = read(octets_)
    assert message.get_param("report-type") == "global-delivery-status" and said["flags"] == EIGHTBIT
    assert "<jürgen@exämple.net>" in text and "kein Fräulein" in text
    assert blocks[1]["Final-Recipient"] == blocks[1]["Original-Recipient"] == "utf-8; jürgen@exämple.net"
    assert blocks[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 kein Fräulein"
    assert blocks[2]["Final-Recipient"] == "rfc822; bob@example.net"


def test_utf8_sender():
    octets_, said = notify([bob()], reverse_path="änn@example.org", flags=SMTPUTF8)
    read(octets_, strict=False)  # Python takes the address for a defect
    assert "\r\nTo: <änn@example.org>\r\n".encode() in octets_
    assert said["flags"] == EIGHTBIT | SMTPUTF8


BOUNDARY = b"=_8F81ElaRU_0123456789abcdef"  # what dsn_print starts with
HOSTILE = [
    b"x\r\nBcc: victim@example.org\r\n",
    b"x\r\n\r\n--" + BOUNDARY + b"\r\nContent-Type: text/html\r\n\r\n<script>",
    b"--" + BOUNDARY + b"--",
    b"x\n--" + BOUNDARY + b"--\n",
    b"550 5.1.1 x\r\n\r\nFinal-Recipient: rfc822; carl@example.net\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
    b"550 " + b"x" * 990,
    b"550 " + b"x y " * 240,
    b"550 5.1.1 \x00\x01\x1b[2J\x7f\x9b\xff\xfe",
    "550 \u2028\u202e\u0085\ufeff".encode(),
    b"rfc822;x+0D+0ABcc:+20y",
    b"%s%n%1000d",
    b"=?utf-8?q?=0D=0ABcc:_x@y?=",
    b"\r", b"\n", b"\t", b"-", b"--", b".", b";", b",",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("place", ["address", "original", "reply", "route", "envid", "subject", "id", "body"])
def test_hostile_text(place, text):
    message, fields, recipient = MESSAGE, {}, bob()
    if place in ("address", "original", "reply", "route"):
        recipient[place] = text
    elif place == "envid":
        fields["envid"] = text
    elif place == "subject":
        message = b"Subject: " + text + b"\r\n" + MESSAGE
    elif place == "id":
        message = b"Message-ID: <" + text + b"@x>\r\n" + MESSAGE
    else:
        message = MESSAGE + b"\r\n" + text + b"\r\n--" + BOUNDARY + b"--\r\n"
    octets_, _ = notify([recipient, bob(address="last@example.net")], message, **fields)
    _, words, blocks, _ = read(octets_)
    assert len(blocks) == 3
    assert set(name.lower() for name in blocks[0]) <= {"reporting-mta", "original-envelope-id", "arrival-date"}
    for block in blocks[1:]:
        assert set(name.lower() for name in block) <= BLOCK_FIELDS and block["Action"] == "failed"
    assert blocks[2]["Final-Recipient"] == "rfc822; last@example.net"
    assert "<last@example.net>" in words


def test_a_large_original_is_returned_whole():
    body = b"".join(b"%060d\r\n" % i for i in range(1000000))
    octets_, said = notify([bob()], b"Subject: x\r\n\r\n" + body[:60 * 1024 * 1024], whole_max=100 * 1024 * 1024)
    assert body[:60 * 1024 * 1024] in octets_ and said["size"] == len(octets_)
