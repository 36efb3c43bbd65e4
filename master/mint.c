/*
 * What programs ask of the supervisor, and tell it: auth has sessions opened and ended, webd asks
 * for counters, and all tell theirs at their end.
 */
#include "master/mint.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/ip_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "common/socket_address.h"
#include "master/control_private.h"
#include "master/stats.h"
#include "master/status.h"

enum { TEXT_CHUNK_BYTES = 60000 };

/* ---- sessions ---- */

bool
mint_address_may_administer(struct span list, const char *address)
{
	struct sockaddr_storage parsed;
	struct ip_list *l;
	bool may;

	if (list.len == 0)
		return true;
	if (!socket_address_parse(address, &parsed))
		return false;
	l = ip_list_new(list);
	may = ip_list_has(l, (struct sockaddr *)&parsed);
	ip_list_free(&l);
	return may;
}

static void
answer_mint(struct process *p, uint64_t tag, int session, bool admin)
{
	struct writer w;

	ipc_write(&w, CONTROL_MINTED, tag);
	put_u64(&w, session != -1);
	put_u64(&w, session != -1 && admin);
	ipc_channel_send(p->control, &w, session);
}

static bool
on_mint(struct control_server *c, struct process *p, uint64_t tag, struct reader *r)
{
	const struct config *config = p->supervisor->instance->config;
	char user[CONTROL_WHO_SIZE], address[CONTROL_CLIENT_SIZE];
	uint64_t admin;
	bool may;

	get_text(r, user, sizeof user);
	admin = get_u64(r);
	get_text(r, address, sizeof address);
	if (get_end(r) == -1 || admin > 1 || !address_is_user_name(span_of(user)))
		return false;
	may = admin == 1 &&
	      mint_address_may_administer(
		  span_of(config_text(config, "common", "System Administrator IP")), address);
	if (admin == 1 && !may)
		log_info("- no-administration user=%s client=%s: System Administrator IP does not "
			 "name this address",
		    user, log_safe(span_of(address)));
	answer_mint(p, tag, control_server_open(c, user, may, address), may);
	return true;
}

static bool
on_revoke(struct control_server *c, struct reader *r)
{
	char user[CONTROL_WHO_SIZE];

	get_text(r, user, sizeof user);
	if (get_end(r) == -1)
		return false;
	control_server_revoke(c, user);
	return true;
}

/* ---- counters ---- */

/* Who asked, by its number: it may have ended meanwhile. */
struct metrics {
	struct control_server *server;
	struct supervisor *supervisor;
	pid_t pid;
	uint64_t tag, started_us;
};

static struct process *
find_process(const struct metrics *m)
{
	struct process *p = m->supervisor->processes;

	while (p != NULL && (p->pid != m->pid || p->started_us != m->started_us))
		p = p->next;
	return p;
}

static void
send_text(struct process *p, uint64_t tag, struct span text)
{
	struct writer w;
	bool more;

	do {
		size_t n = text.len < TEXT_CHUNK_BYTES ? text.len : TEXT_CHUNK_BYTES;

		more = n < text.len;
		ipc_write(&w, CONTROL_METRICS_TEXT, tag);
		put_u64(&w, more);
		put_str(&w, (struct span){text.at, n});
		ipc_channel_send(p->control, &w, -1);
		text = (struct span){text.at + n, text.len - n};
	} while (more);
}

static void
on_status(void *arg, json_t *document)
{
	struct metrics *m = arg;
	struct process *p = find_process(m);
	char *text;

	stats_note(m->server->stats, document);
	text = json_dumps(document, JSON_COMPACT);
	if (p != NULL && p->control != NULL)
		send_text(p, m->tag, span_of(text != NULL ? text : "{}"));
	free(text);
	json_decref(document);
	free(m);
}

static bool
on_metrics(struct control_server *c, struct process *p, uint64_t tag, struct reader *r)
{
	struct metrics *m;

	if (get_end(r) == -1)
		return false;
	m = xmalloc(sizeof *m);
	*m = (struct metrics){c, p->supervisor, p->pid, tag, p->started_us};
	status_collect(p->supervisor, on_status, m);
	return true;
}

/* ---- messages ---- */

bool
mint_on_message(
    struct control_server *c, struct process *p, uint32_t type, uint64_t tag, struct reader *r)
{
	unsigned role = p->program->role;

	if (type == CONTROL_MINT && role == ROLE_AUTH)
		return on_mint(c, p, tag, r);
	if (type == CONTROL_REVOKE && role == ROLE_AUTH)
		return on_revoke(c, r);
	if (type == CONTROL_METRICS && role == ROLE_WEBD)
		return on_metrics(c, p, tag, r);
	if (type == CONTROL_COUNTERS)
		return stats_on_counters(c->stats, p, r);
	return false;
}
