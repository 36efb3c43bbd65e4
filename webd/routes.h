/*
 * What is asked for and who may: the table of routes, and the checks that each request passes
 * before its handler sees it. A handler may rely on them. Private to the folder.
 */
#ifndef WEBD_ROUTES_H
#define WEBD_ROUTES_H

#include "webd/http.h"

/* Nothing but what comes from here, and no script or style within a page. */
#define ROUTE_POLICY                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " \
	"connect-src 'self'; frame-src 'self'; font-src 'self'; manifest-src 'self'; "          \
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

enum route_flag {
	ROUTE_POST = 1 << 0,	/* else GET and HEAD */
	ROUTE_OPEN = 1 << 1,	/* for those who are not logged in, too: q->session may be NULL */
	ROUTE_MAIL = 1 << 2,	/* has a mailbox: q->session->folders is there */
	ROUTE_ADMIN = 1 << 3,	/* q->session->control is there, and is an administrator's */
	ROUTE_BYTES = 1 << 4,	/* the body is no JSON: q->body has it */
	ROUTE_UPLOAD = 1 << 5,	/* the body goes to q->body_fd */
	ROUTE_LONG = 1 << 6,	/* the body may be as large as a letter */
	ROUTE_CONTROL = 1 << 7, /* q->session->control is there, be it a user's */
	ROUTE_KEY = 1 << 8,	/* has a check of its own: no cookie */
	ROUTE_BOOK = 1 << 9,	/* the body may be as large as an address book */
	ROUTE_PUBLIC = 1 << 10, /* nothing secret: in clear, too, and no cookie is looked at */
};

enum { ROUTE_LETTER_MAX_BYTES = 4 * 1024 * 1024 };

struct route {
	const char *path;
	unsigned flags; /* enum route_flag */
	void (*handle)(struct request *q);
};

/* The head is there. True: the body may come, q->body_max and q->body_fd are set. False: it was
 * answered. */
bool route_head(struct request *q);
/* The body is there, too. */
void route_run(struct request *q);
/* A body turned out to be larger than q->body_max. */
void route_refuse_size(struct request *q);

/* Leads to the same server's HTTPS, which is to be there: its name is ours, never the client's. */
void reply_use_https(struct request *q, int status, const char *path);

#endif
