/*
 * sambarctl's side of control.sock: one request, one JSON document. Touches this socket only.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "master/control.h"

/* Longer than any queue's list is. */
enum { ANSWER_MAX_BYTES = 256 * 1024 * 1024 };

struct answer {
	char *text;
	size_t len;
	uint64_t code, more;
};

int
control_connect(const char *root)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/run/control.sock", root) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return ipc_connect(path);
}

static int
send_words(int sock, const char *const *words, size_t n)
{
	struct writer w;
	int rv;

	ipc_write(&w, CONTROL_REQUEST, 1);
	for (size_t i = 0; i < n; i++)
		put_text(&w, words[i]);
	rv = ipc_send_now(sock, &w, -1);
	explicit_bzero(w.at, w.len); /* it may have held a password */
	return rv;
}

static int
add_part(struct answer *a, uint32_t type, struct reader *r)
{
	struct span part;

	a->code = get_u64(r);
	a->more = get_u64(r);
	part = get_str(r, IPC_MESSAGE_MAX_BYTES);
	closefd(&r->fd);
	if (type != CONTROL_REPLY || get_end(r) == -1 || a->code > UINT8_MAX ||
	    part.len > ANSWER_MAX_BYTES - a->len) {
		errno = EPROTO;
		return -1;
	}
	a->text = xrealloc(a->text, a->len + part.len);
	memcpy(a->text + a->len, part.at, part.len);
	a->len += part.len;
	return 0;
}

static int
receive_answer(int sock, struct answer *a)
{
	unsigned char *buf = xmalloc(IPC_MESSAGE_MAX_BYTES);
	int rv = 0;

	for (a->more = 1; a->more && rv == 0;) {
		struct reader r;
		uint32_t type;
		uint64_t tag;
		int got = ipc_receive_now(sock, buf, &type, &tag, &r);

		if (got == 0)
			errno = ECONNRESET;
		rv = got == 1 ? add_part(a, type, &r) : -1;
	}
	free(buf);
	return rv;
}

int
control_request(int sock, const char *const *words, size_t n, json_t **doc)
{
	struct answer a = {0};

	*doc = NULL;
	if (send_words(sock, words, n) == -1 || receive_answer(sock, &a) == -1)
		*doc = json_sprintf("no answer from the supervisor: %s", strerror(errno));
	else if ((*doc = json_loadb(a.text, a.len, 0, NULL)) != NULL) {
		free(a.text);
		return a.code;
	} else
		*doc = json_string("the supervisor's answer is malformed");
	free(a.text);
	*doc = json_pack("{s:o}", "error", *doc);
	return EX_UNAVAILABLE;
}
