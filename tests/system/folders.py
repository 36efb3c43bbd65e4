"""A session with a user's folders, as webd has it: auth is asked for one, and its descriptor spoken to as store/folders.h says."""
import contextlib
import os

from ipc import message, send, text, u64
from session import FOLDERS, Reader, log_in, receive

(LIST, CREATE, RENAME, REMOVE, SUBSCRIBE, VIEW, FIND, ROWS, CHANGES, THREAD, GET, FLAG, COPY, MOVE, EXPUNGE, APPEND, KEEP, DOCUMENT, WATCH, LABELS) = range(1, 21)
FOLDER, ROW, UIDS, GONE, MESSAGE, DONE, REFUSED, CHANGED, LABEL = range(100, 109)
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT, FORWARDED = (1 << i for i in range(6))
ARRIVAL, DATE, FROM, SUBJECT, SIZE = range(5)
(AND, OR, NOT, HAS_FLAG, KEYWORD, IN_FROM, IN_TO, IN_SUBJECT, IN_BODY, IN_TEXT) = range(10)
REFUSALS = ("granted", "no folder", "no message", "exists", "bad name", "bad request", "forgotten", "other", "full", "trouble")


class Refused(Exception):
    pass


def node(op, value="", children=0):
    number = value if isinstance(value, int) else 0
    return u64(op) + u64(children) + u64(number) + u64(0) + text("" if isinstance(value, int) else value)


def read_info(r):
    info = {"id": r.u64(), "name": r.text().decode()}
    for key in ("role", "subscribed", "total", "unread", "uid_validity", "uid_next", "modseq"):
        info[key] = r.u64()
    return info


def read_row(r):
    row = {}
    for key in ("folder", "uid", "thread", "modseq", "flags", "attachments", "is_read", "size", "arrival", "date"):
        row[key] = r.u64()
    for key in ("from", "to", "subject", "preview", "message_id", "keywords"):
        row[key] = r.text().decode()
    for key in ("thread_total", "thread_unread"):
        row[key] = r.u64()
    return row


class Folders:
    """with Folders(instance, "ann") as f: f.list()"""

    def __init__(self, instance, user):
        refusal, _, _, self.sock = log_in(instance, user, want=FOLDERS)
        assert refusal == "granted", refusal
        self.sock.settimeout(60)        # nobody answers: the test ends
        self.tag = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, kind, *fields, fds=()):
        """The answer: folders, rows, uids, gone, fd, number, modseq."""
        self.tag += 1
        send(self.sock, message(kind, tag=self.tag) + b"".join(f if isinstance(f, bytes) else u64(f) if isinstance(f, int) else text(f) for f in fields), fds)
        answer = {"folders": [], "rows": [], "uids": [], "gone": [], "fd": None}
        while True:
            data, got = receive(self.sock)
            assert data, "the session was closed"
            r = Reader(data)
            if r.kind == CHANGED:
                continue
            assert r.tag == self.tag
            if r.kind == FOLDER:
                answer["folders"].append(read_info(r))
            elif r.kind == ROW:
                while r.rest:
                    answer["rows"].append(read_row(r))
            elif r.kind == UIDS:
                r.u64()
                while r.rest:
                    answer["uids"].append(r.u64())
            elif r.kind == GONE:
                while r.rest:
                    answer["gone"].append(r.u64())
            elif r.kind == MESSAGE:
                answer["fd"], = got
            elif r.kind == REFUSED:
                refusal = Refused(REFUSALS[r.u64()])
                refusal.number, refusal.uids = r.u64(), answer["uids"]
                raise refusal
            else:
                assert r.kind == DONE
                answer["number"], answer["modseq"] = r.u64(), r.u64()
                return answer

    def list(self):
        return {f["name"]: f for f in self.ask(LIST)["folders"]}

    def id(self, name):
        return self.list()[name]["id"]

    def view(self, folder, order=DATE, descending=True, threads=False, offset=0, limit=50, find=b""):
        answer = self.ask(VIEW, folder, order, int(descending), int(threads), offset, limit, find)
        return answer["rows"], answer["number"]

    def find(self, folder, *nodes):
        return self.ask(FIND, folder, *nodes)["uids"]

    def get(self, folder, uid):
        with open(self.ask(GET, folder, uid)["fd"], "rb") as f:
            return f.read()

    def append(self, folder, content, flags=0, arrival=0, name=""):
        with contextlib.ExitStack() as stack:
            fd = os.memfd_create("message")
            stack.callback(os.close, fd)
            os.write(fd, content)
            return self.ask(APPEND, folder, flags, arrival, 0, name, fds=[fd])["number"]

    def flag(self, folder, uids, add=0, remove=0, keywords=()):
        return self.ask(FLAG, folder, add, remove, 0, len(keywords), *keywords, 0, *uids)

    def move(self, folder, to, uids):
        return self.ask(MOVE, folder, to, *uids)["uids"]

    def put_document(self, name, fd):
        """Replaces whatever is there."""
        try:
            answer = self.ask(DOCUMENT, name)
            os.close(answer["fd"])
            version = answer["number"]
        except Refused:
            version = 0
        return self.ask(KEEP, name, version, fds=[fd])["number"]
