/*
 * What sambarctl setup is to make of an instance. Reads answers from the terminal.
 */
#include "master/setup_wishes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/local_domains.h"

enum { ANSWER_SIZE = 300 };

const char *const setup_listeners[] = {"SMTP", "Submission", "SMTPS", "POP3", "POP3S", "HTTPS"};
const size_t n_setup_listeners = nitems(setup_listeners);

bool
setup_listens_everywhere(const struct config *c)
{
	char *why;

	for (size_t i = 0; i < n_setup_listeners; i++) {
		const struct config_key *key = config_find("listen", setup_listeners[i], &why);

		if (strcmp(config_text(c, "listen", setup_listeners[i]), key->preset) != 0)
			return false;
	}
	return true;
}

/* ---- what is right ---- */

static int
take_host(struct setup_wishes *w, const char *host)
{
	if (!address_is_domain(span_of(host)) || strchr(host, '.') == NULL ||
	    strlcpy(w->host, host, sizeof w->host) >= sizeof w->host)
		return ctl_fail(EX_DATAERR, "\"%s\" is not a host's name such as mail.example.org",
		    log_printable(span_of(host)));
	return 0;
}

static int
take_user(struct setup_wishes *w, const char *user)
{
	if (!address_is_user_name(span_of(user)) ||
	    strlcpy(w->user, user, sizeof w->user) >= sizeof w->user)
		return ctl_fail(EX_DATAERR,
		    "\"%s\" is not a user name: 1 to %d of a-z, 0-9, - and _",
		    log_printable(span_of(user)), ADDRESS_LOCAL_MAX_BYTES);
	return 0;
}

static int
take_webmail(struct setup_wishes *w, const char *word)
{
	if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
		return ctl_fail(
		    EX_USAGE, "--webmail %s: is neither on nor off", log_printable(span_of(word)));
	w->webmail = strcmp(word, "on") == 0 ? "true" : "false";
	return 0;
}

int
setup_wishes_read(const struct ctl *ctl, struct setup_wishes *w, char **args, size_t n)
{
	const char *host = ctl_option(args, &n, "--host"), *user = ctl_option(args, &n, "--user");
	const char *webmail = ctl_option(args, &n, "--webmail");
	int code = 0;

	*w = (struct setup_wishes){.admin = ctl_flag(args, &n, "--admin"),
	    .everywhere = ctl_flag(args, &n, "--public"),
	    .password_on_stdin = ctl_flag(args, &n, "--password-stdin")};
	w->ask =
	    !w->password_on_stdin && !ctl->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (n != 1 || args[0][0] == '-')
		return ctl_misuse(ctl, args, n, 1);
	w->domain = args[0];
	if (!address_is_domain(span_of(w->domain)) || strchr(w->domain, '.') == NULL)
		return ctl_fail(EX_DATAERR, "\"%s\" is not a domain such as example.org",
		    log_printable(span_of(w->domain)));
	if (host != NULL)
		code = take_host(w, host);
	if (code == 0 && user != NULL)
		code = take_user(w, user);
	if (code == 0 && webmail != NULL)
		code = take_webmail(w, webmail);
	if (code == 0 && user == NULL && w->admin && !w->ask)
		code = ctl_fail(EX_USAGE, "--admin: who? --user NAME is missing");
	return code;
}

/* ---- questions ---- */

/* The default without an answer, also at the end of the input. False: the answer is too long. */
static bool
ask(char answer[ANSWER_SIZE], const char *question, const char *preset)
{
	struct span text;
	char line[ANSWER_SIZE];

	printf("%s [%s]: ", question, preset);
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		line[0] = '\0';
	else if (strchr(line, '\n') == NULL && !feof(stdin))
		return false;
	text = span_of(line);
	if (text.len > 0 && text.at[text.len - 1] == '\n')
		text.len--;
	text = span_trim(text);
	return span_copy(text.len > 0 ? text : span_of(preset), answer, ANSWER_SIZE);
}

/* Again until it is one of both. */
static bool
ask_yes(const char *question)
{
	char answer[ANSWER_SIZE];
	bool whole = ask(answer, question, "yes");

	for (;;) {
		if (whole && (strcasecmp(answer, "yes") == 0 || strcasecmp(answer, "y") == 0))
			return true;
		if (whole && (strcasecmp(answer, "no") == 0 || strcasecmp(answer, "n") == 0))
			return false;
		printf("Right is yes or no.\n");
		whole = ask(answer, question, "yes");
	}
}

/* Of an instance that has a name it stays. */
static void
preset_host(const struct setup_wishes *w, const struct config *c, char out[CONFIG_SERVER_NAME_SIZE])
{
	config_server_name(c, out);
	if (local_domains_is_private(out))
		snprintf(out, CONFIG_SERVER_NAME_SIZE, "mail.%s", w->domain);
}

static int
complete_host(struct setup_wishes *w, const struct config *c)
{
	char preset[CONFIG_SERVER_NAME_SIZE], answer[ANSWER_SIZE];

	preset_host(w, c, preset);
	if (!w->ask)
		return take_host(w, preset);
	return take_host(w, ask(answer, "What other hosts call this one", preset) ? answer : "");
}

static int
complete_user(struct setup_wishes *w)
{
	char answer[ANSWER_SIZE];
	int code;

	if (!ask(answer, "A first user, who gets what is for postmaster, too", "none"))
		return take_user(w, "");
	if (strcmp(answer, "none") == 0)
		return 0;
	if ((code = take_user(w, answer)) == 0 && !w->admin)
		w->admin = ask_yes("May this user change the configuration in the browser");
	return code;
}

int
setup_wishes_complete(struct setup_wishes *w, const struct config *c, const json_t *users)
{
	int code = 0;

	if (w->host[0] == '\0')
		code = complete_host(w, c);
	if (code == 0 && w->ask && !w->everywhere && !setup_listens_everywhere(c))
		w->everywhere = ask_yes("Serve the world, on the usual ports of all addresses");
	if (code == 0 && w->ask && w->user[0] == '\0' && json_array_size(users) == 0)
		code = complete_user(w);
	return code;
}
