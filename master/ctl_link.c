/*
 * The one-time link of the first administrator. auth makes its token; the supervisor knows where
 * webd listens.
 */
#include "master/ctl_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/memory.h"

/* ---- where ---- */

static bool
is_served(const json_t *listener, const char *name)
{
	return strcmp(ctl_text(listener, "name"), name) == 0 &&
	       json_is_true(json_object_get(listener, "served"));
}

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* "127.0.0.1:8080" to "http://127.0.0.1:8080"; an address that is every one of the host has its
 * name. To be freed. */
static char *
origin_of(const char *scheme, const char *address, const char *server)
{
	const char *port = strrchr(address, ':');
	bool any = starts_with(address, "0.0.0.0:") || starts_with(address, "[::]:");
	bool usual = port != NULL && strcmp(scheme, "https") == 0 && strcmp(port, ":443") == 0;
	int host = port != NULL ? port - address : (int)strlen(address);

	if (any && server[0] != '\0')
		return xasprintf("%s://%s%s", scheme, server, usual || port == NULL ? "" : port);
	return xasprintf("%s://%.*s%s", scheme, host, address, usual || port == NULL ? "" : port);
}

/* In clear first: where it is served at all, it is on this host. */
static char *
find_origin(const struct ctl *ctl, const json_t *listeners)
{
	static const struct {
		const char *name, *scheme;
	} kinds[] = {{"HTTP", "http"}, {"HTTPS", "https"}};
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	char server[CONFIG_SERVER_NAME_SIZE], *origin = NULL;
	const json_t *listener;
	size_t i;

	config_server_name(c, server);
	for (size_t k = 0; k < nitems(kinds) && origin == NULL; k++)
		json_array_foreach(listeners, i,
		    listener) if (origin == NULL && is_served(listener, kinds[k].name)) origin =
		    origin_of(kinds[k].scheme, ctl_text(listener, "address"), server);
	config_problems_free(&problems);
	config_free(&c);
	return origin;
}

/* NULL: nobody serves HTTP, or does not answer. */
static char *
ask_origin(const struct ctl *ctl)
{
	static const char *const words[] = {"status"};
	json_t *doc;
	char *origin = NULL;

	if (ctl_try(ctl, false, words, nitems(words), &doc) == 0)
		origin = find_origin(ctl, json_object_get(doc, "listeners"));
	json_decref(doc);
	return origin;
}

/* ---- the link ---- */

static const char *const ask_link[] = {"user", "setup-link"};

static int
print_link(const struct ctl *ctl, const char *origin, const json_t *doc)
{
	if (ctl->json)
		return ctl_print_json(json_pack("{s:s+++, s:I}", "link", origin, "/setup#",
		    ctl_text(doc, "token"), "", "until", (json_int_t)ctl_number(doc, "until")));
	printf("%s/setup#%s\n", origin, ctl_text(doc, "token"));
	return 0;
}

int
ctl_link(struct ctl *ctl, char **args, size_t n)
{
	char *origin = ask_origin(ctl);
	json_t *doc;
	int code;

	(void)args, (void)n;
	if (origin == NULL)
		return ctl_fail(EX_UNAVAILABLE, "System Administration is not served: start it, "
						"and see [listen] HTTP and HTTPS "
						"of config/config.ini");
	if ((code = ctl_ask(ctl, false, ask_link, nitems(ask_link), &doc)) == 0) {
		code = print_link(ctl, origin, doc);
		json_decref(doc);
	}
	free(origin);
	return code;
}

void
ctl_link_tell(const struct ctl *ctl)
{
	char *origin;
	json_t *doc = NULL;

	if (ctl->json || (origin = ask_origin(ctl)) == NULL)
		return;
	if (ctl_try(ctl, false, ask_link, nitems(ask_link), &doc) == 0)
		printf("There is no administrator yet. Make one in a browser, within a day:\n"
		       "%s/setup#%s\n",
		    origin, ctl_text(doc, "token"));
	json_decref(doc);
	free(origin);
}
