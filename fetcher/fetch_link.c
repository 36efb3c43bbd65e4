/*
 * fetch's end of its one connection to fetcher. Blocks, and sends at once: what has happened is
 * known to fetcher even if this process dies a moment later.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "fetcher/fetch_private.h"

static void
end(struct fetch_link *l, const char *why)
{
	if (why != NULL && !l->over)
		log_warn("- %s", why);
	l->over = l->stop = true;
}

/* ---- to fetcher ---- */

void
fetch_link_send(struct fetch_link *l, struct writer *w)
{
	if (!l->over && ipc_send_now(l->fd, w, -1) == -1)
		end(l, "fetcher does not listen");
}

void
fetch_link_drop_slots(struct fetch_link *l)
{
	while (l->n_slots > 0)
		closefd(&l->slots[--l->n_slots].fd);
}

void
fetch_link_begin(struct fetch_link *l)
{
	struct writer w;

	fetch_link_drop_slots(l);
	l->number++;
	ipc_write(&w, FETCH_BEGIN, 0);
	fetch_link_send(l, &w);
}

/* ---- from fetcher ---- */

static bool
read_fingerprint(struct fetch_job *job, struct span hex)
{
	job->has_fingerprint = hex.len > 0;
	if (hex.len == 0)
		return true;
	if (hex.len != 2 * sizeof job->fingerprint)
		return false;
	for (size_t i = 0; i < hex.len; i++) {
		char c = hex.at[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit == -1)
			return false;
		job->fingerprint[i / 2] = (job->fingerprint[i / 2] << 4) | digit;
	}
	return true;
}

static bool
read_folders(struct fetch_job *job, struct reader *in)
{
	char name[FETCH_FOLDER_MAX_BYTES + 1];

	while (get_more(in) && job->n_folders < nitems(job->folders)) {
		get_text(in, name, sizeof name);
		job->folders[job->n_folders++] = xstrdup(name);
	}
	return get_end(in) == 0;
}

static int
on_job(struct fetch_link *l, struct reader *in)
{
	struct fetch_job *job = &l->job;
	uint64_t mode = get_u64(in), protocol, port, tls, command, action, idle, candidates;
	struct span fingerprint;

	get_text(in, job->section, sizeof job->section);
	protocol = get_u64(in);
	get_text(in, job->host, sizeof job->host);
	port = get_u64(in);
	tls = get_u64(in);
	fingerprint = get_str(in, 2 * REMOTE_FINGERPRINT_BYTES);
	get_text(in, job->user, sizeof job->user);
	get_text(in, job->password, sizeof job->password);
	get_text(in, job->endpoint, sizeof job->endpoint);
	get_text(in, job->client_id, sizeof job->client_id);
	get_text(in, job->client_secret, sizeof job->client_secret);
	get_text(in, job->refresh_token, sizeof job->refresh_token);
	command = get_u64(in);
	action = get_u64(in);
	get_text(in, job->move_to, sizeof job->move_to);
	job->max_size = get_u64(in);
	idle = get_u64(in);
	candidates = get_u64(in);
	job->room = get_u64(in);
	if (in->bad || l->has_job || !read_fingerprint(job, fingerprint) ||
	    !read_folders(job, in) || mode > FETCH_MODE_LAST || protocol > REMOTE_IMAP ||
	    port > UINT16_MAX || tls > REMOTE_TLS_IMPLICIT || action > ACT_LAST || idle > 1 ||
	    candidates > 1 || command > 1)
		return -1;
	job->mode = mode;
	job->protocol = protocol;
	job->port = port;
	job->tls = tls;
	job->command = command;
	job->action = action;
	job->idle = idle;
	job->candidates = candidates;
	l->has_job = true;
	return 0;
}

static int
on_slot(struct fetch_link *l, struct reader *in)
{
	struct fetch_slot slot;
	uint64_t number = get_u64(in);

	slot.id = get_u64(in);
	slot.fd = get_fd(in);
	if (get_end(in) == -1 || (number == l->number && l->n_slots == FETCH_SLOTS)) {
		closefd(&slot.fd);
		return -1;
	}
	if (number != l->number)
		closefd(&slot.fd);
	else
		l->slots[l->n_slots++] = slot;
	return 0;
}

static int
on_known(struct fetch_link *l, struct reader *in)
{
	struct span wants = get_str(in, sizeof l->known);

	if (get_end(in) == -1 || l->has_known)
		return -1;
	memcpy(l->known, wants.at, wants.len);
	l->n_known = wants.len;
	l->has_known = true;
	return 0;
}

static int
on_taken(struct fetch_link *l, struct reader *in)
{
	uint64_t handle = get_u64(in), row = get_u64(in), act = get_u64(in), taken = get_u64(in);
	struct fetch_answer answer;

	if (get_end(in) == -1 || handle == 0 || handle > UINT32_MAX || row > INT64_MAX || act > 1 ||
	    taken > TAKEN_LAST || l->n_outstanding == 0)
		return -1;
	l->n_outstanding--;
	answer = (struct fetch_answer){handle, row, act, taken};
	l->on_taken(l->arg, &answer);
	return 0;
}

static int
on_token(struct fetch_link *l, struct reader *in)
{
	get_text(in, l->token, sizeof l->token);
	get_text(in, l->token_why, sizeof l->token_why);
	l->has_token = true;
	return get_end(in);
}

static int
dispatch(struct fetch_link *l, uint32_t type, struct reader *in)
{
	if (!l->has_job && type != FETCH_JOB)
		return -1;
	switch (type) {
	case FETCH_JOB:
		return on_job(l, in);
	case FETCH_SLOT:
		return on_slot(l, in);
	case FETCH_KNOWN:
		return on_known(l, in);
	case FETCH_TAKEN:
		return on_taken(l, in);
	case FETCH_TOKEN:
		return on_token(l, in);
	case FETCH_AGAIN:
		l->again = true;
		return get_end(in);
	case FETCH_STOP:
		l->stop = true;
		return get_end(in);
	default:
		return -1;
	}
}

int
fetch_link_receive(struct fetch_link *l)
{
	struct reader in;
	uint32_t type;
	uint64_t tag;
	int n;

	if (l->over)
		return -1;
	n = ipc_receive_now(l->fd, l->message, &type, &tag, &in);
	if (n != 1) {
		end(l, n == -1 ? "cannot read from fetcher" : NULL);
		return -1;
	}
	if (dispatch(l, type, &in) == -1)
		end(l, "malformed message from fetcher");
	if (type == FETCH_JOB || type == FETCH_TOKEN)
		explicit_bzero(l->message, sizeof l->message);
	closefd(&in.fd);
	return l->over ? -1 : 0;
}

void
fetch_link_look(struct fetch_link *l)
{
	struct pollfd p = {l->fd, POLLIN, 0};

	while (!l->over && poll(&p, 1, 0) == 1)
		(void)fetch_link_receive(l);
}

bool
fetch_link_slot(struct fetch_link *l, struct fetch_slot *slot)
{
	while (l->n_slots == 0 && !l->stop)
		(void)fetch_link_receive(l);
	if (l->n_slots == 0 || l->over)
		return false;
	*slot = l->slots[--l->n_slots];
	return true;
}

/* ---- life ---- */

struct fetch_link *
fetch_link_new(int listen_fd)
{
	int fd = role_accept_one(listen_fd, ROLE_FETCHER, "fetcher");
	struct fetch_link *l;

	if (fd == -1)
		return NULL;
	l = xcalloc(1, sizeof *l);
	l->fd = fd;
	return l;
}

void
fetch_link_free(struct fetch_link **lp)
{
	struct fetch_link *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	fetch_link_drop_slots(l);
	for (size_t i = 0; i < l->job.n_folders; i++)
		free(l->job.folders[i]);
	explicit_bzero(&l->job, sizeof l->job);
	explicit_bzero(l->token, sizeof l->token);
	closefd(&l->fd);
	free(l);
}
