/* clang-format off */
/*
 * What sambarctl says to the supervisor on control.sock (owner and root only), and what it hears.
 *
 * message          fields                                answer
 * CONTROL_REQUEST  word*                                 CONTROL_REPLY*, the last with more = 0
 * CONTROL_REPLY    exit code (sysexits.h), more (0/1),
 *                  text: a part of a JSON document
 *
 * Requests for master itself (words): status | stop | restart [PROGRAM] | reload | log rotate |
 * ping. Passed on as CONTROL_ADMIN: user ... to auth; queue ... to queue; explain ... to smtpd
 * (smtpd/explain.h). reload answers {"problems": [...], "notices": [sentence]}.
 *
 *   user add NAME PASSWORD mailbox|no-mailbox   {}; 65 when the name is bad or taken
 *   user del NAME keep|purge                    the mailbox stays unless purge
 *   user passwd NAME PASSWORD
 *   user find NAME                              {}; 67 without such an account, 65 when none can be
 *   user list                                   {"users": [{"name", "admin": bool, "mailbox": bool,
 *                                               "quota": number or null}]}
 *   user mailbox NAME on|off                    off removes the mailbox with its mail
 *   user admin NAME on|off
 *   user quota NAME BYTES|none                  overrides Maximum Mailbox Size
 *
 * queue VERB who=NAME key=value...: master puts in who asks, by his account; a later who= says for
 * whom. WHICH is ids= (with blanks between), or any of sender= recipient= domain= reason=
 * (patterns), older= younger= (seconds), held=true, all=true. Each answer is about some of the
 * messages, by id; "next" is null, or what to give as after= for those that follow. A list has its
 * own messages by arrival.
 *
 *   queue list limit=N WHICH   {"messages": [{"id", "size", "arrival", "from", "attempts", "next",
 *                              "held", "hold", "release", "state", "reroute", "recipients": [{"to",
 *                              "status", "reply"}]}], "total", "next"}
 *   queue show ids=ID          the same for one message, with every field of its envelope
 *   queue hold|release|retry|flush|remove|bounce|reroute why=TEXT to=HOST WHICH
 *                              {"done", "waiting", "skipped", "failed", "unknown", "next"}: messages
 *
 *   backup now                     makes a backup of all mailboxes; the answer, when it is whole, is
 *                                  what store/backups.h has in its summary, and "day"
 *   backup list                    {"backups": [as above], "making": {"day", "started", "mailboxes":
 *                                  done so far} or null, "failed": why the last one could not be
 *                                  made, or null}
 *   backup contents DAY            {"users": [name]}
 *   backup contents DAY USER       {"folders": [{"name", "messages", "bytes"}]}
 *   backup contents DAY USER FOLDER before=N find=TEXT
 *                                  {"messages": [{"number", "arrival", "bytes", "from", "subject",
 *                                  "message_id", "file"}], "next"}: up to 100 below the number N, the
 *                                  newest ones, with the text in sender or subject; next: as N for
 *                                  those that follow, or null
 *   backup restore DAY USER [FOLDER [MESSAGE]]
 *                                  {"restored", "there", "failed"}, when it is over: MESSAGE as in
 *                                  sambarctl(8). It goes on when who has asked is gone
 *   backup restores                {"running", "last": {"by", "started", "day", "user", "folder",
 *                                  "message", and when over "ended", "code", "error" and the above},
 *                                  or null}: since the supervisor was started
 *
 *   user setup-link                {"token", "until"}: of the one-time link /setup#token that makes the
 *                                  first administrator; 65 when there is one
 *
 * On a session that auth had master open for a user who has logged in to webd (the same messages; the
 * session, not its holder, says who asks). For an administrator all of the above but stop, and:
 *
 *   config list                    {"keys": [{"file", "section", "key", "type", "words", "preset",
 *                                  "value" (secrets: masked), "set": bool, "meaning", "not_yet"}],
 *                                  "problems": [{"where", "text", "warning": bool}]}
 *   config set JSON                JSON: [{"section", "key", "value" or null}]: all or nothing.
 *                                  {"problems", "notices", "change": ID, null: nothing is other than
 *                                  before}; 65 with "problems" when wrong, with "section" and "key"
 *                                  of those that are about one. "key" and "value" null: the
 *                                  section goes, one that has a name
 *   config history after=N         {"changes": [{"id", "when", "who", "client", "undo": ID or null,
 *                                  "what": [{"file", "section", "key", "old", "new"}]}], "next"}
 *   config undo ID                 as set
 *   entries SECTION                {"entries": [{"name", "value"}]} of aliases, forward, routes,
 *                                  "tls policy"; changed by config set
 *   fetch sections                 {"sections": [{"name", "keys": as in config list}], "keys": those
 *                                  of a section that is not there yet}
 *   fetch add NAME JSON            JSON: as of config set, without "section"; the answer, too
 *   fetch del NAME
 *   certificate sections|add|del   the same of [certificate NAME]
 *   usage                          {"users": [{"name", "bytes", "messages", "limit"}]}
 *   logs                           {"programs": [name]}
 *   log PROGRAM|all lines=N filter=TEXT   {"lines": [{"program", "time", "text"}]}
 *   log follow PROGRAM|all filter=TEXT    such documents, each with more = 1, until the session or
 *                                  the follow ends; the first one comes at once and has no lines
 *   log unfollow TAG               ends the follow that was asked with this tag; a ninth one of a
 *                                  session ends its oldest
 *   stats                          {"traffic": [{"time", "received", "delivered", "sent", "deferred",
 *                                  "bounced", "rejected"}] (a day, by five minutes), "disk": [{"what",
 *                                  "path", "total", "free"}], "totals": {PROGRAM: {COUNTER: {"n",
 *                                  "since"}}}, "certificates": those of certificates.h that can be
 *                                  read, "programs": as in status, which has all "certificates"}
 *
 * For every user, about himself only:
 *
 *   own trace WHAT                 {"story": [{"time", "text"}]} of messages that he sent or that
 *                                  were for him, in sentences. WHAT: the other one's address, or a
 *                                  queue id (then of all recipients that he has named)
 *   own forward get                {"to": [address], "keep": bool}
 *   own forward set keep|all ADDRESS*   {}; 65 when it is not right, 75: try again in a moment
 *   own identities                 {"addresses": [address]}: his name at Mail Server and at Local
 *                                  Domains without *, and aliases that lead to him alone
 *
 * Failures answer {"error": "sentence"} and a code other than 0.
 */
/* clang-format on */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include <jansson.h>

enum control_request { CONTROL_REQUEST = 1, CONTROL_REPLY = 100 };

/* ---- sambarctl's side, blocking ---- */

/* Connects to the supervisor of the instance at root. -1 with errno (ENOENT, ECONNREFUSED: it does
 * not run). */
int control_connect(const char *root);

/*
 * Sends words and collects the whole answer. Returns the exit code and sets *doc (to be freed); 69
 * (EX_UNAVAILABLE) with an error document when the connection breaks.
 */
int control_request(int sock, const char *const *words, size_t n, json_t **doc);

#endif
