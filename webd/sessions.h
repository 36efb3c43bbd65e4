/*
 * Who is logged in: sessions in memory, found by the cookie's value, of which only a hash is kept.
 * A session holds what auth gave for the password: a session with store for the mailbox, and one
 * with master. When either ends on their side, it ends here: master ends it when the password is
 * set anew or the account removed. Private to the folder.
 */
#ifndef WEBD_SESSIONS_H
#define WEBD_SESSIONS_H

#include <stdint.h>

#include "auth/auth.h"
#include "store/folders.h"
#include "webd/control.h"
#include "webd/http.h"

enum {
	SESSIONS_MAX = 10000,
	SESSIONS_USER_MAX = 20, /* of one user; a further one ends the longest unused */
	SESSION_SECRET_BYTES = 32,
	SESSION_TEXT_SIZE = 2 * SESSION_SECRET_BYTES + 1, /* in hexadecimal */
	SESSION_STREAMS_MAX = 10
};

struct upload;
LIST_HEAD(uploads, upload);
struct watched;
LIST_HEAD(watched_folders, watched);

struct web_session {
	TAILQ_ENTRY(web_session) entry; /* the longest unused first */
	LIST_ENTRY(web_session) bucket;
	struct webd *web;
	unsigned char hash[32];
	char csrf[SESSION_TEXT_SIZE];
	char user[AUTH_USER_SIZE];
	char client[INET6_ADDRSTRLEN];
	bool admin;
	struct folders *folders; /* NULL: no mailbox */
	struct control *control;
	struct requests requests; /* being worked on, or event streams */
	struct uploads uploads;
	uint64_t used_ms;
	json_t *identities; /* see identities.h; NULL: not known yet */
	uint64_t last_upload;
	struct watched_folders watched; /* api_events.c */
	bool watches;			/* folders_watch() is on */
};

struct web_sessions *sessions_new(struct webd *w);
/* Ends all. */
void sessions_free(struct web_sessions **s);
size_t sessions_count(const struct web_sessions *s);

/*
 * A new session, with an id that nobody had before. Owns folders_fd (or -1) and control_fd. id_out
 * is for the cookie. NULL: there are too many.
 */
struct web_session *sessions_open(struct web_sessions *ws, const char *user, bool admin,
    int folders_fd, int control_fd, const char *client, char id_out[SESSION_TEXT_SIZE]);
/* By the cookie's value; it counts as used now. NULL: there is none. */
struct web_session *sessions_find(struct web_sessions *ws, struct span id);
bool session_token_is_right(const struct web_session *s, struct span token);

/* The request is worked on for this session; when the session ends first, it is answered 401. */
void sessions_join(struct request *q, struct web_session *s);
void sessions_leave(struct request *q);

/* why: for the log and the event streams. Clears the pointer. */
void session_end(struct web_session **s, const char *why);
/* This user's next session after this one (NULL: his first), or NULL. */
struct web_session *
sessions_of_user(const struct web_sessions *ws, const char *user, struct web_session *after);
/* Ends the other sessions of this user, as after a change of his password. */
void sessions_end_others(const struct web_session *s, const char *why);
/* With other settings: who is unused for too long ends. */
void sessions_expire(struct web_sessions *ws);

#endif
