/*
 * The table of routes, and the checks before a handler sees a request. Touches nothing.
 */
#include "webd/routes.h"

#include <string.h>

#include "common/memory.h"
#include "common/socket_address.h"
#include "webd/api.h"
#include "webd/autoconfig.h"
#include "webd/pages.h"
#include "webd/sessions.h"
#include "webd/uploads.h"
#include "webd/vcard.h"
#include "webd/webd.h"

/* clang-format off */
static const struct route routes[] = { /* path, flags, handler */
	{ "/api/login", ROUTE_POST | ROUTE_OPEN, api_login },
	{ "/api/logout", ROUTE_POST, api_logout },
	{ "/api/session", 0, api_session },
	{ "/api/setup", ROUTE_OPEN, api_setup_is_valid },
	{ "/api/setup", ROUTE_OPEN | ROUTE_POST, api_setup },
	{ "/api/password", ROUTE_POST, api_password },

	{ "/api/folders", ROUTE_MAIL, api_folders },
	{ "/api/folders/create", ROUTE_MAIL | ROUTE_POST, api_folder_create },
	{ "/api/folders/rename", ROUTE_MAIL | ROUTE_POST, api_folder_rename },
	{ "/api/folders/remove", ROUTE_MAIL | ROUTE_POST, api_folder_remove },
	{ "/api/folders/subscribe", ROUTE_MAIL | ROUTE_POST, api_folder_subscribe },
	{ "/api/folders/empty", ROUTE_MAIL | ROUTE_POST, api_folder_empty },

	{ "/api/labels", ROUTE_MAIL, api_labels },
	{ "/api/messages", ROUTE_MAIL, api_messages },
	{ "/api/uids", ROUTE_MAIL, api_uids },
	{ "/api/changes", ROUTE_MAIL, api_changes },
	{ "/api/thread", ROUTE_MAIL, api_thread },
	{ "/api/flags", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_flags },
	{ "/api/move", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_move },
	{ "/api/copy", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_copy },
	{ "/api/remove", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_remove },

	{ "/api/message", ROUTE_MAIL, api_message },
	{ "/api/message/html", ROUTE_MAIL, api_message_document },
	{ "/api/message/source", ROUTE_MAIL, api_message_source },
	{ "/api/part", ROUTE_MAIL, api_part },
	{ "/api/message/zip", ROUTE_MAIL, api_message_zip },
	{ "/api/export", ROUTE_MAIL, api_export },

	{ "/api/draft", ROUTE_MAIL, api_draft },
	{ "/api/draft", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_draft_keep },
	{ "/api/send", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_send },
	{ "/api/receipt", ROUTE_MAIL | ROUTE_POST, api_receipt },
	{ "/api/outbox", ROUTE_MAIL, api_outbox },
	{ "/api/outbox/cancel", ROUTE_MAIL | ROUTE_POST, api_outbox_cancel },

	{ "/api/upload", ROUTE_MAIL | ROUTE_POST | ROUTE_UPLOAD, api_upload },
	{ "/api/upload/remove", ROUTE_MAIL | ROUTE_POST, api_upload_remove },

	{ "/api/settings", ROUTE_MAIL, api_settings },
	{ "/api/settings", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_settings_keep },
	{ "/api/vacation", ROUTE_MAIL, api_vacation },
	{ "/api/vacation", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_vacation_keep },
	{ "/api/forward", ROUTE_CONTROL, api_forward },
	{ "/api/forward", ROUTE_CONTROL | ROUTE_POST, api_forward_set },
	{ "/api/identities", ROUTE_CONTROL, api_identities },
	{ "/api/trace", ROUTE_CONTROL, api_trace },
	{ "/api/contacts", ROUTE_MAIL, api_contacts },
	{ "/api/contacts/save", ROUTE_MAIL | ROUTE_POST, api_contacts_save },
	{ "/api/contacts/remove", ROUTE_MAIL | ROUTE_POST | ROUTE_LONG, api_contacts_remove },
	{ "/api/contacts/import", ROUTE_MAIL | ROUTE_POST | ROUTE_BYTES | ROUTE_BOOK, api_contacts_import },
	{ "/api/contacts/export", ROUTE_MAIL, api_contacts_export },
	{ "/api/complete", ROUTE_MAIL, api_complete },

	{ "/mail/config-v1.1.xml", ROUTE_OPEN | ROUTE_PUBLIC, autoconfig_serve },
	{ "/.well-known/autoconfig/mail/config-v1.1.xml", ROUTE_OPEN | ROUTE_PUBLIC, autoconfig_serve },
	{ "/autodiscover/autodiscover.xml", ROUTE_OPEN | ROUTE_PUBLIC, autodiscover_lead },
	{ "/autodiscover/autodiscover.xml", ROUTE_OPEN | ROUTE_PUBLIC | ROUTE_POST | ROUTE_BYTES, autodiscover_serve },
	{ "/Autodiscover/Autodiscover.xml", ROUTE_OPEN | ROUTE_PUBLIC, autodiscover_lead },
	{ "/Autodiscover/Autodiscover.xml", ROUTE_OPEN | ROUTE_PUBLIC | ROUTE_POST | ROUTE_BYTES, autodiscover_serve },

	{ "/metrics", ROUTE_OPEN | ROUTE_KEY, api_metrics },
	{ "/api/events", 0, api_events },

	{ "/api/admin", ROUTE_ADMIN | ROUTE_POST | ROUTE_LONG, api_admin },
	{ "/api/admin/follow", ROUTE_ADMIN, api_admin_follow },
};
static const struct route page = { "", ROUTE_OPEN | ROUTE_KEY, page_serve };
/* clang-format on */

/* ---- what a request is for ---- */

static const struct route *
find(const char *path, bool posts)
{
	const struct route *found = NULL;

	for (size_t i = 0; i < nitems(routes); i++)
		if (strcmp(path, routes[i].path) == 0 &&
		    (found == NULL || posts == ((routes[i].flags & ROUTE_POST) != 0)))
			found = &routes[i];
	if (found == NULL && strncmp(path, "/api/", 5) != 0)
		found = &page;
	return found;
}

static bool
check_route(struct request *q)
{
	bool posts = q->head.method == HTTP_POST;

	if (!http_path_decode(q->head.path, q->path, sizeof q->path)) {
		reply_error(q, 400, "bad", "The address is malformed.");
		return false;
	}
	if ((q->route = find(q->path, posts)) == NULL) {
		reply_error(q, 404, "gone", "There is nothing at this address.");
		return false;
	}
	if (q->head.method != HTTP_OTHER && posts == ((q->route->flags & ROUTE_POST) != 0))
		return true;
	reply_field(q, "Allow", "%s", q->route->flags & ROUTE_POST ? "POST" : "GET, HEAD");
	reply_error(q, 405, "bad", "This address is not for this method.");
	return false;
}

/* ---- where it comes from ---- */

static bool
is_loopback(const char *client)
{
	struct sockaddr_storage address;

	return strcmp(client, "local") == 0 ||
	       (socket_address_parse(client, &address) &&
		   socket_address_is_loopback((struct sockaddr *)&address));
}

void
reply_use_https(struct request *q, int status, const char *path)
{
	const struct webd_settings *s = &q->web->settings;
	char port[16] = "";

	if (s->https_port != 443)
		snprintf(port, sizeof port, ":%u", s->https_port);
	reply_field(q, "Location", "https://%s%s%s", s->server, port, path);
	reply_bytes(q, status, "text/plain; charset=utf-8", span_of("Use https.\n"));
}

/* A password and a cookie are only said where nobody can overhear them. The client's Host is not
 * believed: it may be anything. */
static bool
check_secrecy(struct request *q)
{
	if (q->secure || is_loopback(q->client) || q->route->flags & ROUTE_PUBLIC ||
	    (q->route->flags & ROUTE_KEY && q->route != &page))
		return true;
	if (q->web->settings.https_port == 0 || q->route != &page)
		reply_error(q, 403, "forbidden", "Encryption is required: use https.");
	else
		reply_use_https(q, 308, "/");
	return false;
}

static struct span
own_host(const struct request *q)
{
	return http_field(&q->head, "Host");
}

/* What another site had the browser send is refused, whatever cookies came along. */
static bool
check_origin(struct request *q)
{
	struct span site = http_field(&q->head, "Sec-Fetch-Site");
	struct span origin = http_field(&q->head, "Origin"), scheme;

	if (!(q->route->flags & ROUTE_POST))
		return true;
	if (site.len > 0 ? span_is(site, "same-origin") || span_is(site, "none") : true) {
		if (origin.len == 0 || site.len > 0)
			return true;
		/* http://host: all behind "//" */
		if (span_take(&origin, ':', &scheme) && origin.len > 2 &&
		    memcmp(origin.at, "//", 2) == 0) {
			origin = (struct span){origin.at + 2, origin.len - 2};
			if (span_equal(origin, own_host(q)))
				return true;
		}
	}
	reply_error(q, 403, "forbidden", "This was asked for by another site.");
	return false;
}

/* ---- who it is from ---- */

static bool
refuse_stranger(struct request *q)
{
	reply_error(q, 401, "login", "Log in first.");
	return false;
}

static bool
refuse_rights(struct request *q, const char *sentence)
{
	reply_error(q, 403, "forbidden", "%s", sentence);
	return false;
}

static bool
check_session(struct request *q)
{
	const struct route *r = q->route;
	struct span id = http_cookie(&q->head, q->secure ? "__Host-session" : "session");
	struct web_session *s;

	if (r->flags & (ROUTE_KEY | ROUTE_PUBLIC))
		return true;
	s = sessions_find(q->web->sessions, id);
	if (s == NULL)
		return r->flags & ROUTE_OPEN ? true : refuse_stranger(q);
	if ((r->flags & ROUTE_POST) && !(r->flags & ROUTE_OPEN) &&
	    !session_token_is_right(s, http_field(&q->head, "X-CSRF-Token")))
		return refuse_rights(q, "The page is out of date; load it again.");
	if ((r->flags & ROUTE_MAIL) && (s->folders == NULL || !q->web->settings.webmail))
		return refuse_rights(q, s->folders == NULL ? "There is no mailbox of this name."
							   : "WebMail is switched off.");
	if ((r->flags & ROUTE_ADMIN) && !s->admin)
		return refuse_rights(q, "Only administrators may do this.");
	if ((r->flags & ROUTE_CONTROL) && s->control == NULL)
		return refuse_rights(q, "This is not possible now; log in again.");
	sessions_join(q, s);
	return true;
}

/* ---- its body ---- */

void
route_refuse_size(struct request *q)
{
	if (q->route->flags & ROUTE_UPLOAD)
		reply_error(q, 413, "large",
		    "The file is larger than %llu bytes, which is the limit for uploads.",
		    (unsigned long long)q->body_max);
	else
		reply_error(q, 413, "large", "This is longer than %llu bytes.",
		    (unsigned long long)q->body_max);
}

static bool
check_type(struct request *q)
{
	struct span type = http_field(&q->head, "Content-Type"), word;

	if (!(q->route->flags & ROUTE_POST) || q->route->flags & (ROUTE_BYTES | ROUTE_UPLOAD))
		return true;
	span_take(&type, ';', &word);
	if (span_is_nocase(span_trim(word), "application/json"))
		return true;
	reply_error(q, 415, "bad", "The body must be application/json.");
	return false;
}

static bool
check_size(struct request *q)
{
	unsigned flags = q->route->flags;

	if (!(flags & ROUTE_POST))
		q->body_max = 0;
	else if (flags & ROUTE_BOOK)
		q->body_max = VCARD_IN_MAX_BYTES;
	else if (flags & ROUTE_UPLOAD)
		q->body_max = q->web->settings.upload_max;
	else
		q->body_max = flags & ROUTE_LONG ? ROUTE_LETTER_MAX_BYTES : HTTP_JSON_MAX_BYTES;
	if (q->head.length <= q->body_max)
		return true;
	route_refuse_size(q);
	return false;
}

bool
route_head(struct request *q)
{
	if (!check_route(q) || !check_secrecy(q) || !check_origin(q) || !check_session(q) ||
	    !check_type(q) || !check_size(q))
		return false;
	return !(q->route->flags & ROUTE_UPLOAD) || uploads_begin(q);
}

void
route_run(struct request *q)
{
	unsigned flags = q->route->flags;

	if ((flags & ROUTE_POST) && !(flags & (ROUTE_BYTES | ROUTE_UPLOAD))) {
		q->json = json_loadb(
		    q->body != NULL ? q->body : "", q->body_len, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(q->json)) {
			reply_error(q, 400, "bad", "The body is no JSON object.");
			return;
		}
	}
	q->route->handle(q);
}
