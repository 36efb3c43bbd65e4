/*
 * The conversation with the other host, from connecting to QUIT, and what fetcher is told of it.
 * For each folder: the whole listing first, for only who knows all of it can say what is new; then
 * the messages; then what becomes of those at the server that are safe here.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_lookup.h"
#include "common/log.h"
#include "common/mail_date.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "fetcher/fetch_private.h"
#include "fetcher/oauth.h"

enum {
	/* What is asked for at a time, and still taken when we are to stop: so many messages, and
	 * so many bytes unless it is one message. */
	BATCH = FETCH_SLOTS,
	BATCH_BYTES = 8 * 1024 * 1024,
	TEST_PATIENCE_S = 20, /* until there is a greeting */
	WAIT_S = 24 * 3600,   /* fetcher says AGAIN earlier */
	VAIN_MAX_S = 300,     /* a server that always has news, and nothing new */
	RECEIVED_SIZE = 1500, /* names, addresses and TLS are limited, see remote.h */
	HEADER_MAX_BYTES = 1024 * 1024
};

/* A message that is to be had. */
struct wanted {
	uint32_t handle;
	uint64_t size;
	size_t id; /* in ids */
};

struct done_row {
	uint32_t handle;
	int64_t row;
};

struct collect {
	struct fetch_link *link;
	const struct fetch_config *config;
	const struct fetch_job *job;
	struct remote *remote;
	struct dns *dns;
	struct host_addresses addresses;
	struct oauth_token token;
	struct fetch_body *body;
	struct wanted *wanted; /* of the folder, by handle */
	size_t n_wanted;
	char *ids;
	size_t ids_len, ids_size;
	struct done_row *acts; /* safe, and something is to be done */
	size_t n_acts;
	char **folders; /* as the server spells them */
	size_t n_folders;
	uint64_t n_large, n_gone, n_new;
	unsigned vain;	/* collections in a row for news that was none */
	bool no_header; /* DRY_RUN: the message in hand is not there, or has none that is shown */
	int write_error;
	char why[FETCH_TEXT_MAX_BYTES + 1];
};

/* ---- what fetcher says of messages ---- */

static void
on_taken(void *arg, const struct fetch_answer *answer)
{
	struct collect *c = arg;

	if (!answer->act)
		return;
	if ((c->n_acts & (c->n_acts - 1)) == 0)
		c->acts = xrealloc(c->acts, (c->n_acts ? c->n_acts * 2 : 1) * sizeof *c->acts);
	c->acts[c->n_acts++] = (struct done_row){answer->handle, answer->row};
}

static void
wait_for_answers(struct collect *c)
{
	while (c->link->n_outstanding > 0 && fetch_link_receive(c->link) == 0)
		continue;
}

static enum remote_end
keep_why(struct collect *c, enum remote_end end)
{
	if (end != REMOTE_OK)
		strlcpy(c->why, remote_why(c->remote), sizeof c->why);
	return end;
}

/* ---- at the server ---- */

static int
compare_handles(const void *one, const void *another)
{
	const struct done_row *a = one, *b = another;

	return (a->handle > b->handle) - (a->handle < b->handle);
}

static void
say_acted(struct collect *c, const struct done_row *rows, const bool *done, size_t n)
{
	struct writer w;

	ipc_write(&w, FETCH_ACTED, 0);
	for (size_t i = 0; i < n; i++)
		if (done[i])
			put_u64(&w, rows[i].row);
	fetch_link_send(c->link, &w);
}

/* Up to REMOTE_BATCH_MAX of them. */
static enum remote_end
act_on(struct collect *c, const struct done_row *rows, size_t n)
{
	uint32_t handles[REMOTE_BATCH_MAX];
	bool done[REMOTE_BATCH_MAX] = {false};
	enum remote_end end = REMOTE_OK;

	for (size_t i = 0; i < n; i++)
		handles[i] = rows[i].handle;
	if (c->job->action == ACT_DELETE)
		end = remote_delete(c->remote, handles, n, done);
	else if (c->job->action == ACT_SEEN)
		end = remote_mark_seen(c->remote, handles, n, done);
	else if (c->job->action == ACT_MOVE)
		end = remote_move(c->remote, handles, n, c->job->move_to, done);
	/* What was deleted or moved is no longer listed; if it is, it is tried again. */
	if (c->job->action == ACT_SEEN)
		say_acted(c, rows, done, n);
	return keep_why(c, end);
}

/* *missing: there is no folder to move to, which is no reason not to collect. */
static enum remote_end
act(struct collect *c, enum remote_end *missing)
{
	enum remote_end end = REMOTE_OK;
	size_t n = c->n_acts;

	if (n > 1)
		qsort(c->acts, n, sizeof *c->acts, compare_handles);
	c->n_acts = 0;
	for (size_t at = 0; at < n && end == REMOTE_OK; at += REMOTE_BATCH_MAX)
		end =
		    act_on(c, c->acts + at, n - at < REMOTE_BATCH_MAX ? n - at : REMOTE_BATCH_MAX);
	if (end == REMOTE_NO_FOLDER)
		*missing = end;
	return end == REMOTE_NO_FOLDER ? REMOTE_OK : end;
}

/* ---- the sink ---- */

static const struct wanted *
find_wanted(const struct collect *c, uint32_t handle)
{
	size_t low = 0, high = c->n_wanted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->wanted[middle].handle < handle)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->n_wanted && c->wanted[low].handle == handle ? &c->wanted[low] : NULL;
}

static size_t
print_received(const struct collect *c, uint64_t id, char out[RECEIVED_SIZE])
{
	const struct remote_info *info = remote_info(c->remote);
	const char *protocol = c->job->protocol == REMOTE_IMAP ? "IMAP" : "POP3";
	char tls[2 * REMOTE_TLS_TEXT_SIZE + 40] = "", date[MAIL_DATE_SIZE];
	int n;

	if (info->tls_version[0] != '\0')
		snprintf(tls, sizeof tls, "\r\n\t(using %s with cipher %s)", info->tls_version,
		    info->tls_cipher);
	mail_date_print(wall_clock_now() / 1000000, date);
	n = snprintf(out, RECEIVED_SIZE,
	    "Received: from %s ([%s%s])%s\r\n\tby %s (Sambar Mail, section %s) with %s id "
	    "%s;\r\n\t%s\r\n",
	    c->job->host, strchr(info->address, ':') != NULL ? "IPv6:" : "", info->address, tls,
	    c->config->server, c->job->section, protocol, queue_id_text(id), date);
	return n > 0 && n < RECEIVED_SIZE ? n : 0;
}

static int
on_begin(void *arg, uint32_t handle)
{
	struct collect *c = arg;
	char received[RECEIVED_SIZE];
	struct fetch_slot slot;
	size_t n;

	(void)handle;
	if (c->link->n_slots == 0)
		fetch_link_look(c->link);
	if (!fetch_link_slot(c->link, &slot))
		return -1;
	n = print_received(c, slot.id, received);
	fetch_body_start(c->body, &slot, c->job->room, (struct span){received, n});
	return 0;
}

static int
on_bytes(void *arg, struct span bytes)
{
	struct collect *c = arg;

	fetch_body_add(c->body, bytes);
	return 0;
}

static void
put_candidates(const struct collect *c, struct writer *w, const struct header *h)
{
	for (size_t i = 0; c->job->candidates && i < h->n_candidates; i++) {
		put_u64(w, h->candidates[i].source);
		put_text(w, h->candidates[i].address);
	}
}

static void
say_message(struct collect *c, const struct wanted *m, const unsigned char *digest)
{
	const struct fetch_body *b = c->body;
	struct writer w;

	ipc_write(&w, FETCH_MESSAGE, 0);
	put_u64(&w, b->slot.id);
	put_u64(&w, m->handle);
	put_u64(&w, m->size);
	put_u64(&w, b->size);
	put_u64(&w, b->crc);
	put_u64(&w, b->header->received);
	put_str(&w, (struct span){(const char *)digest, FETCH_DIGEST_BYTES});
	put_text(&w, c->ids + m->id);
	put_candidates(c, &w, b->header);
	c->link->n_outstanding++;
	fetch_link_send(c->link, &w);
}

static void
say_abandon(struct collect *c)
{
	struct writer w;

	ipc_write(&w, FETCH_ABANDON, 0);
	put_u64(&w, c->body->slot.id);
	fetch_link_send(c->link, &w);
}

/* So that it is not had each time. Without an id nobody would know it again. */
static void
say_oversize(struct collect *c, const struct wanted *m)
{
	struct writer w;

	if (c->ids[m->id] == '\0')
		return;
	ipc_write(&w, FETCH_OVERSIZE, 0);
	put_u64(&w, m->size);
	put_text(&w, c->ids + m->id);
	fetch_link_send(c->link, &w);
}

static void
log_left(const struct collect *c, const struct wanted *m, const char *reason)
{
	log_warn("- left section=%s id=%s reason=\"%s\"", c->job->section,
	    m != NULL ? log_safe(span_of(c->ids + m->id)) : "", reason);
}

static int
on_end(void *arg, uint32_t handle, enum remote_message_end end)
{
	struct collect *c = arg;
	const struct wanted *m = find_wanted(c, handle);
	unsigned char digest[FETCH_DIGEST_BYTES];
	bool begun = c->body->slot.fd != -1;

	if (begun)
		fetch_body_finish(c->body, digest);
	if (begun && c->body->error != 0)
		c->write_error = c->body->error;
	if (begun && m != NULL && end == REMOTE_WHOLE && c->body->error == 0)
		say_message(c, m, digest);
	else if (begun)
		say_abandon(c);
	if (m != NULL && end == REMOTE_TOO_LARGE)
		say_oversize(c, m);
	c->n_large += end == REMOTE_TOO_LARGE;
	c->n_gone += end == REMOTE_GONE;
	if (end == REMOTE_TOO_LARGE || end == REMOTE_GONE)
		log_left(c, m,
		    end == REMOTE_GONE ? remote_why(c->remote)
				       : "larger than the Maximum Message Size, and than it says");
	return c->write_error != 0 || c->link->over ? -1 : 0;
}

/* ---- the listing ---- */

static void
want(struct collect *c, const struct remote_message *m)
{
	size_t n = strlen(m->id) + 1;

	if ((c->n_wanted & (c->n_wanted - 1)) == 0)
		c->wanted =
		    xrealloc(c->wanted, (c->n_wanted ? c->n_wanted * 2 : 1) * sizeof *c->wanted);
	if (c->ids_len + n > c->ids_size) {
		c->ids_size = c->ids_size * 2 + 4096;
		c->ids = xrealloc(c->ids, c->ids_size);
	}
	c->n_new++;
	memcpy(c->ids + c->ids_len, m->id, n);
	c->wanted[c->n_wanted++] = (struct wanted){m->handle, m->size, c->ids_len};
	c->ids_len += n;
}

/* Asks fetcher for each whether it is to be had. -1: fetcher has gone. */
static int
ask_about(struct collect *c, const struct remote_message *list, size_t n)
{
	struct fetch_link *l = c->link;
	struct writer w;

	ipc_write(&w, FETCH_LISTED, 0);
	for (size_t i = 0; i < n; i++) {
		put_text(&w, list[i].id);
		put_u64(&w, list[i].size);
	}
	l->has_known = false;
	fetch_link_send(l, &w);
	while (!l->has_known)
		if (fetch_link_receive(l) == -1)
			return -1;
	l->has_known = false;
	if (l->n_known != n)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (l->known[i] == FETCH_GET)
			want(c, &list[i]);
	return 0;
}

static enum remote_end
list_folder(struct collect *c)
{
	static struct remote_message list[FETCH_LISTED_MAX];
	enum remote_end end;
	uint32_t after = 0;
	size_t n;

	c->n_wanted = c->ids_len = c->n_acts = 0;
	for (;;) {
		end = remote_list(c->remote, after, list, nitems(list), &n);
		if (end != REMOTE_OK || n == 0)
			return keep_why(c, end);
		after = list[n - 1].handle;
		if (ask_about(c, list, n) == -1)
			return REMOTE_STOPPED;
		if (c->link->stop)
			return REMOTE_OK; /* what is known so far may be had another time */
	}
}

/* ---- the messages ---- */

static enum remote_end
fetch_batch(struct collect *c, size_t at, size_t n)
{
	const struct remote_sink sink = {on_begin, on_bytes, on_end, c};
	uint32_t handles[BATCH];
	enum remote_end end;

	for (size_t i = 0; i < n; i++)
		handles[i] = c->wanted[at + i].handle;
	end = keep_why(c, remote_fetch(c->remote, handles, n, c->job->max_size, &sink));
	if (c->write_error != 0)
		snprintf(c->why, sizeof c->why, "cannot write into the spool: %s",
		    strerror(c->write_error));
	return end;
}

static size_t
batch_from(const struct collect *c, size_t at)
{
	uint64_t bytes = c->wanted[at].size;
	size_t n = 1;

	while (n < BATCH && at + n < c->n_wanted && bytes < BATCH_BYTES &&
	       c->wanted[at + n].size <= BATCH_BYTES - bytes)
		bytes += c->wanted[at + n++].size;
	return n;
}

static enum remote_end
fetch_wanted(struct collect *c)
{
	enum remote_end end = REMOTE_OK, missing = REMOTE_OK;

	for (size_t at = 0, n; at < c->n_wanted && end == REMOTE_OK && !c->link->stop; at += n) {
		n = batch_from(c, at);
		end = fetch_batch(c, at, n);
		fetch_link_look(c->link);
		if (end == REMOTE_OK)
			end = act(c, &missing);
	}
	wait_for_answers(c);
	if (end == REMOTE_OK)
		end = act(c, &missing);
	return end == REMOTE_OK ? missing : end;
}

/* ---- DRY_RUN: headers only ---- */

static int
header_begin(void *arg, uint32_t handle)
{
	struct collect *c = arg;

	(void)handle;
	header_start(c->body->header);
	return 0;
}

static int
header_bytes(void *arg, struct span bytes)
{
	struct collect *c = arg;

	header_feed(c->body->header, bytes);
	return 0;
}

static int
header_end(void *arg, uint32_t handle, enum remote_message_end end)
{
	struct collect *c = arg;

	(void)handle;
	c->no_header = end == REMOTE_GONE;
	return 0;
}

static void
say_header(struct collect *c, const struct wanted *m)
{
	const struct header *h = c->body->header;
	struct writer w;

	ipc_write(&w, FETCH_HEADER, 0);
	put_u64(&w, m->size);
	put_text(&w, c->ids + m->id);
	put_text(&w, h->from);
	put_text(&w, h->subject);
	put_candidates(c, &w, h);
	fetch_link_send(c->link, &w);
}

static enum remote_end
show_wanted(struct collect *c)
{
	const struct remote_sink sink = {header_begin, header_bytes, header_end, c};
	unsigned char digest[FETCH_DIGEST_BYTES];
	enum remote_end end = REMOTE_OK;

	for (size_t i = 0; i < c->n_wanted && end == REMOTE_OK && !c->link->stop; i++) {
		header_start(c->body->header);
		end = keep_why(c,
		    remote_fetch_header(c->remote, c->wanted[i].handle, HEADER_MAX_BYTES, &sink));
		header_finish(c->body->header, digest);
		if (end == REMOTE_OK && c->no_header) {
			log_left(c, &c->wanted[i], remote_why(c->remote));
			c->n_gone++;
		} else if (end == REMOTE_OK) {
			say_header(c, &c->wanted[i]);
		}
		fetch_link_look(c->link);
	}
	return end;
}

/* ---- folders ---- */

static bool
changes_something(const struct collect *c)
{
	return c->job->mode == FETCH_COLLECT && c->job->action != ACT_LEAVE;
}

static enum remote_end
collect_folder(struct collect *c, const char *name)
{
	char shown[REMOTE_FOLDER_SIZE];
	struct remote_folder folder;
	enum remote_end end = remote_select(c->remote, name, changes_something(c), &folder);
	struct writer w;

	if (end != REMOTE_OK)
		return keep_why(c, end);
	remote_folder_show(span_of(name), shown);
	ipc_write(&w, FETCH_FOLDER, 0);
	put_text(&w, shown);
	put_u64(&w, folder.uidvalidity);
	put_u64(&w, folder.messages);
	fetch_link_send(c->link, &w);
	end = list_folder(c);
	if (end != REMOTE_OK || c->job->mode == FETCH_TEST)
		return end;
	return c->job->mode == FETCH_DRY_RUN ? show_wanted(c) : fetch_wanted(c);
}

static void
add_folder(void *arg, const char *name)
{
	struct collect *c = arg;

	c->folders = xrealloc(c->folders, (c->n_folders + 1) * sizeof *c->folders);
	c->folders[c->n_folders++] = xstrdup(name);
}

static void
name_folder(void *arg, const char *name)
{
	struct collect *c = arg;
	char shown[REMOTE_FOLDER_SIZE];
	size_t len = strlen(c->why);

	remote_folder_show(span_of(name), shown);
	snprintf(
	    c->why + len, sizeof c->why - len, "%s%s", c->why[len - 1] == ':' ? " " : ", ", shown);
}

/* None of Folders is there: says which are, as many as find room. */
static enum remote_end
tell_folders(struct collect *c)
{
	static const char *const all = "*";
	enum remote_end end;

	strlcpy(c->why, "Folders names none that is there; there are:", sizeof c->why);
	end = remote_folders(c->remote, &all, 1, name_folder, c);
	return keep_why(c, end);
}

static enum remote_end
collect_all(struct collect *c)
{
	enum remote_end end = REMOTE_OK, missing = REMOTE_OK;

	c->n_large = c->n_gone = c->n_new = 0;
	c->why[0] = '\0';
	fetch_link_begin(c->link);
	for (size_t i = 0; i < c->n_folders && end == REMOTE_OK && !c->link->stop; i++) {
		end = collect_folder(c, c->folders[i]);
		if (end == REMOTE_NO_FOLDER) {
			missing = end; /* the others are collected */
			end = REMOTE_OK;
		}
	}
	wait_for_answers(c);
	if (end == REMOTE_OK && c->n_folders == 0 && !c->link->stop) {
		end = tell_folders(c);
		missing = REMOTE_NO_FOLDER;
	}
	return end == REMOTE_OK ? missing : end;
}

/* ---- the session ---- */

static void
on_trace(void *arg, enum remote_trace what, struct span line)
{
	static const char *const marks[] = {"<<<", ">>>", "---"};
	const struct collect *c = arg;

	log_trace("%s %s %s", c->job->section, marks[what], log_safe(line));
}

/* The addresses of a host. -1: there are none; end and why say so. */
static int
look_up(struct collect *c, const char *host, unsigned port, struct host_addresses *found,
    enum remote_end *end)
{
	struct host_question q = {.port = port, .ipv4 = c->config->ipv4, .ipv6 = c->config->ipv6};
	char name[DNS_HOST_SIZE];

	if (host_address(span_of(host), port, &found->addresses[0])) {
		found->n = 1;
		return 0;
	}
	*end = REMOTE_PERMANENT;
	if (!host_name(span_of(host), name)) {
		snprintf(c->why, sizeof c->why, "%s is no name of a host", host);
		return -1;
	}
	if (c->dns == NULL)
		c->dns = dns_new(&c->config->dns);
	q.dns = c->dns;
	q.deadline = dns_deadline(c->dns);
	if (host_lookup(&q, name, found) == 0 && found->n > 0)
		return 0;
	if (found->later != NULL)
		*end = REMOTE_TEMPORARY;
	snprintf(c->why, sizeof c->why, "%s: %s", host,
	    found->later != NULL ? found->later : "there is no such host, or it has no address");
	return -1;
}

static void
say_opened(struct collect *c)
{
	const struct remote_info *info = remote_info(c->remote);
	char port[16];
	struct writer w;

	snprintf(port, sizeof port, "%u", info->port);
	ipc_write(&w, FETCH_OPENED, 0);
	const struct {
		const char *name, *value;
	} all[] = {{"address", info->address}, {"port", port}, {"tls", info->tls_version},
	    {"cipher", info->tls_cipher}, {"certificate", info->tls_how},
	    {"fingerprint", info->fingerprint}, {"login", info->mechanism},
	    {"software", info->software}};
	for (size_t i = 0; i < nitems(all); i++) {
		put_text(&w, all[i].name);
		put_text(&w, all[i].value);
	}
	fetch_link_send(c->link, &w);
}

static void
say_done(struct collect *c, bool waits, enum remote_end end)
{
	struct writer w;

	log_flush(); /* it may be long until the next event */
	fetch_link_drop_slots(c->link);
	ipc_write(&w, FETCH_DONE, 0);
	put_u64(&w, waits);
	put_u64(&w, end);
	put_u64(&w, c->n_large);
	put_u64(&w, c->n_gone);
	put_text(&w, end == REMOTE_OK ? "" : c->why);
	fetch_link_send(c->link, &w);
}

/* After news that was none, for longer each time, or until fetcher says something. */
static void
rest(const struct collect *c)
{
	struct pollfd p = {c->link->fd, POLLIN, 0};
	unsigned doublings = c->vain < 10 ? c->vain - 1 : 9, seconds = 1u << doublings;

	(void)poll(&p, 1, (seconds < VAIN_MAX_S ? seconds : VAIN_MAX_S) * 1000);
}

/* True: it is time to collect again. */
static bool
wait_for_news(struct collect *c, enum remote_end *end)
{
	enum remote_news news = REMOTE_NO_NEWS;

	if (c->vain > 0)
		rest(c);
	fetch_link_look(c->link);
	while (!c->link->stop) {
		if (c->link->again) {
			c->link->again = false;
			c->vain = 0;
			return true;
		}
		*end = keep_why(c, remote_wait(c->remote, (const char *const *)c->folders,
				       c->n_folders, c->link->fd, WAIT_S, &news));
		if (*end != REMOTE_OK || news == REMOTE_CANNOT_WAIT)
			return false;
		if (news == REMOTE_NEWS) {
			c->vain++;
			return true;
		}
		if (news == REMOTE_FD)
			fetch_link_look(c->link);
	}
	return false;
}

static bool
can_stay(const struct collect *c, enum remote_end end)
{
	return c->job->idle && end == REMOTE_OK && !c->link->stop && c->n_folders > 0 &&
	       remote_info(c->remote)->can_wait;
}

static enum remote_end
converse(struct collect *c)
{
	enum remote_end end = keep_why(c, remote_open(c->remote));

	say_opened(c);
	if (end == REMOTE_OK)
		end = keep_why(c, remote_folders(c->remote, (const char *const *)c->job->folders,
				      c->job->n_folders, add_folder, c));
	if (end != REMOTE_OK)
		return end;
	end = collect_all(c);
	while (can_stay(c, end)) {
		say_done(c, true, end);
		if (!wait_for_news(c, &end))
			break;
		end = collect_all(c);
		if (c->n_new > 0)
			c->vain = 0;
	}
	return end;
}

/* From the command that the administrator has named. */
static enum remote_end
ask_for_token(struct collect *c)
{
	struct fetch_link *l = c->link;
	struct writer w;

	ipc_write(&w, FETCH_ASK_TOKEN, 0);
	fetch_link_send(l, &w);
	while (!l->has_token && !l->stop)
		(void)fetch_link_receive(l);
	if (!l->has_token)
		return REMOTE_STOPPED;
	strlcpy(c->token.access, l->token, sizeof c->token.access);
	strlcpy(c->why, l->token_why, sizeof c->why);
	return l->token[0] != '\0' ? REMOTE_OK : REMOTE_TEMPORARY;
}

/* From the endpoint. */
static enum remote_end
refresh_token(struct collect *c)
{
	const struct fetch_job *job = c->job;
	struct host_addresses found = {.n = 0};
	struct oauth_url url;
	struct oauth_target target = {.url = &url,
	    .addresses = found.addresses,
	    .context = c->config->context,
	    .client_id = job->client_id,
	    .refresh_token = job->refresh_token,
	    .client_secret = job->client_secret[0] != '\0' ? job->client_secret : NULL,
	    .timeouts = c->config->timeouts,
	    .trace = c->config->trace ? on_trace : NULL,
	    .trace_arg = c};
	char why[REMOTE_WHY_SIZE] = "";
	enum remote_end end;
	struct writer w;

	if (!oauth_url_parse(span_of(job->endpoint), &url)) {
		strlcpy(c->why, "the OAuth Token Endpoint is no https URL", sizeof c->why);
		return REMOTE_PERMANENT;
	}
	if (look_up(c, url.host, url.port, &found, &end) == -1)
		return end;
	target.n_addresses = found.n;
	if ((end = oauth_refresh(&target, &c->token, why)) != REMOTE_OK) {
		strlcpy(c->why, why, sizeof c->why);
		return end;
	}
	if (c->token.refresh[0] != '\0') {
		ipc_write(&w, FETCH_REFRESH, 0);
		put_text(&w, c->token.refresh);
		fetch_link_send(c->link, &w);
	}
	return REMOTE_OK;
}

static enum remote_end
get_token(struct collect *c)
{
	return c->job->command ? ask_for_token(c) : refresh_token(c);
}

static unsigned
at_most(unsigned seconds)
{
	return seconds < TEST_PATIENCE_S ? seconds : TEST_PATIENCE_S;
}

/* Somebody waits for what a test says, and a server that is there begins to speak at once. */
static struct remote_timeouts
timeouts_of(const struct collect *c)
{
	struct remote_timeouts t = c->config->timeouts;

	if (c->job->mode == FETCH_COLLECT)
		return t;
	t.connect_s = at_most(t.connect_s);
	t.tls_s = at_most(t.tls_s);
	t.greeting_s = at_most(t.greeting_s);
	return t;
}

static enum remote_end
run(struct collect *c)
{
	const struct fetch_job *job = c->job;
	const struct remote_timeouts timeouts = timeouts_of(c);
	bool by_token = job->command || job->endpoint[0] != '\0';
	struct remote_target target = {.protocol = job->protocol,
	    .host = job->host,
	    .addresses = c->addresses.addresses,
	    .tls = job->tls,
	    .context = c->config->context,
	    .fingerprint = job->has_fingerprint ? job->fingerprint : NULL,
	    .user = job->user,
	    .password = by_token ? NULL : job->password,
	    .token = by_token ? c->token.access : NULL,
	    .timeouts = timeouts,
	    .trace = c->config->trace ? on_trace : NULL,
	    .trace_arg = c};
	char why[REMOTE_WHY_SIZE];
	enum remote_end end, last;

	if (look_up(c, job->host, job->port, &c->addresses, &end) == -1)
		return end;
	if (by_token && (end = get_token(c)) != REMOTE_OK)
		return end;
	target.n_addresses = c->addresses.n;
	c->remote = remote_new(&target);
	end = converse(c);
	if (end != REMOTE_OK && end != REMOTE_NO_FOLDER) {
		remote_free(&c->remote);
		return end;
	}
	last = remote_quit(&c->remote, why);
	if (last != REMOTE_OK && changes_something(c) && job->protocol == REMOTE_POP3) {
		strlcpy(c->why, why, sizeof c->why); /* what was to be deleted may be there still */
		return last;
	}
	return end;
}

static void
clear(struct collect *c)
{
	remote_free(&c->remote);
	explicit_bzero(&c->token, sizeof c->token);
	dns_free(&c->dns);
	header_free(&c->body->header);
	free(c->body);
	free(c->wanted);
	free(c->ids);
	free(c->acts);
	for (size_t i = 0; i < c->n_folders; i++)
		free(c->folders[i]);
	free(c->folders);
}

void
fetch_collect(struct fetch_link *l, const struct fetch_config *config)
{
	struct collect c = {.link = l, .config = config, .job = &l->job};

	l->on_taken = on_taken;
	l->arg = &c;
	c.body = xcalloc(1, sizeof *c.body);
	c.body->header = header_new();
	c.body->slot.fd = -1;
	say_done(&c, false, run(&c));
	clear(&c);
	/* Who closes first may take away what the other has not read yet. */
	while (fetch_link_receive(l) == 0)
		fetch_link_drop_slots(l);
}
