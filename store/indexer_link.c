/*
 * indexer's end of its one connection to store. Blocks, and answers each message before it takes
 * the next one: if this process dies of a message, store knows of which.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "store/indexer_private.h"

/* Of CPU, for one message: then the kernel ends this process. */
enum { MESSAGE_CPU_S = 20 };

static int
send_now(struct indexer_link *l, struct writer *w)
{
	if (ipc_send_now(l->fd, w, -1) == 0)
		return 0;
	log_warn("- store does not listen");
	return -1;
}

static int
send_text(struct indexer_link *l, uint64_t tag, struct span text)
{
	struct writer w;

	while (text.len > 0) {
		size_t n = text.len > INDEXER_TEXT_BYTES ? INDEXER_TEXT_BYTES : text.len;

		ipc_write(&w, INDEXER_TEXT, tag);
		put_str(&w, (struct span){text.at, n});
		if (send_now(l, &w) == -1)
			return -1;
		text = (struct span){text.at + n, text.len - n};
	}
	return 0;
}

static int
send_row(struct indexer_link *l, uint64_t tag, const struct indexer_row *row)
{
	struct writer w;

	ipc_write(&w, INDEXER_ROW, tag);
	put_u64(&w, (row->has_date ? INDEXER_HAS_DATE : 0) |
			(row->has_attachment ? INDEXER_HAS_ATTACHMENT : 0));
	put_u64(&w, (uint64_t)row->date);
	put_text(&w, row->from);
	put_text(&w, row->to);
	put_text(&w, row->recipients);
	put_text(&w, row->subject);
	put_text(&w, row->message_id);
	put_text(&w, row->references);
	put_text(&w, row->preview);
	put_text(&w, row->problem);
	return send_now(l, &w);
}

static void
limit_time(void)
{
#ifndef SANITIZE
	struct timespec used;
	struct rlimit limit;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == -1 ||
	    getrlimit(RLIMIT_CPU, &limit) == -1)
		return;
	limit.rlim_cur = used.tv_sec + 1 + MESSAGE_CPU_S;
	if (setrlimit(RLIMIT_CPU, &limit) == -1)
		log_warn("- cannot limit the time for a message");
#endif
}

static int
on_index(struct indexer_link *l, uint64_t tag, struct reader *in)
{
	int fd = get_fd(in), rv = -1;
	struct indexer_row row;

	if (get_end(in) == -1) {
		closefd(&fd);
		log_warn("malformed INDEX from store");
		return -1;
	}
	limit_time();
	indexer_read(fd, &row);
	if (send_text(l, tag, (struct span){row.text, row.text_len}) == 0)
		rv = send_row(l, tag, &row);
	indexer_row_free(&row);
	closefd(&fd);
	return rv;
}

int
indexer_link_serve(struct indexer_link *l)
{
	struct reader in;
	uint32_t type;
	uint64_t tag;
	int n = ipc_receive_now(l->fd, l->message, &type, &tag, &in), rv = -1;

	if (n != 1) {
		if (n == -1)
			log_warn("- cannot read from store");
		return -1;
	}
	if (type == INDEXER_INDEX)
		rv = on_index(l, tag, &in);
	else
		log_warn("malformed message from store");
	closefd(&in.fd);
	return rv;
}

void
indexer_link_retire(struct indexer_link *l)
{
	struct writer w;

	ipc_write(&w, INDEXER_RETIRE, 0);
	(void)send_now(l, &w);
}

struct indexer_link *
indexer_link_on(int fd)
{
	struct indexer_link *l = xcalloc(1, sizeof *l);
	struct writer w;

	l->fd = fd;
	ipc_write(&w, INDEXER_READY, 0);
	if (send_now(l, &w) == -1)
		indexer_link_free(&l);
	return l;
}

struct indexer_link *
indexer_link_new(int listen_fd)
{
	int fd = role_accept_one(listen_fd, ROLE_STORE, "store");

	return fd == -1 ? NULL : indexer_link_on(fd);
}

void
indexer_link_free(struct indexer_link **lp)
{
	struct indexer_link *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	closefd(&l->fd);
	free(l);
}
