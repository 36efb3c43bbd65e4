/*
 * The session with the other host around its collections: its addresses, connecting and logging in,
 * waiting for news, and the end. See collect_private.h.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "fetcher/collect_private.h"

enum {
	TEST_PATIENCE_S = 20, /* until there is a greeting */
	WAIT_S = 24 * 3600,   /* fetcher says AGAIN earlier */
	VAIN_MAX_S = 300      /* a server that always has news, and nothing new */
};

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
		*end = collect_keep_why(c, remote_wait(c->remote, (const char *const *)c->folders,
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
	enum remote_end end = collect_keep_why(c, remote_open(c->remote));

	say_opened(c);
	if (end == REMOTE_OK)
		end = collect_keep_why(
		    c, remote_folders(c->remote, (const char *const *)c->job->folders,
			   c->job->n_folders, collect_add_folder, c));
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
	if (last != REMOTE_OK && collect_changes_something(c) && job->protocol == REMOTE_POP3) {
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

	l->on_taken = collect_on_taken;
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
