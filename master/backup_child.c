/*
 * Runs sambarctl backup with its two streams in memory, and prints both in one document.
 */
#include "master/backup_child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"

struct gathered {
	char *text;
	size_t len;
	FILE *stream;
};

static FILE *
gather(struct gathered *g)
{
	if ((g->stream = open_memstream(&g->text, &g->len)) == NULL)
		fatal("cannot keep what is printed");
	return g->stream;
}

/* "sambarctl: this" and "sambarctl: that" as "this; that". */
static json_t *
sentences(char *text)
{
	static const char name[] = "sambarctl: ";
	char *all = xstrdup(""), *line;
	json_t *said;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *joined;

		if (strncmp(line, name, sizeof name - 1) == 0)
			line += sizeof name - 1;
		if (line[0] == '\0')
			continue;
		joined = xasprintf("%s%s%s", all, all[0] != '\0' ? "; " : "", line);
		free(all);
		all = joined;
	}
	said = json_text(span_of(all));
	free(all);
	return said;
}

int
backup_child(char **args, size_t n)
{
	static const struct ctl_command command = {.name = "backup", .usage = "list|restore"};
	struct gathered out, err;
	struct ctl ctl = {.command = &command, .json = true};
	FILE *terminal = stdout, *log = stderr;
	json_t *answer;
	int code;

	if (n < 2)
		return EX_USAGE;
	log_open("master");
	ctl.root = args[0];
	stdout = gather(&out);
	stderr = gather(&err);
	code = ctl_backup(&ctl, args + 1, n - 1);
	fclose(stdout);
	fclose(stderr);
	stdout = terminal;
	stderr = log;
	if ((answer = json_loadb(out.text, out.len, 0, NULL)) == NULL)
		answer = json_null();
	code = ctl_print_json(json_pack(
	    "{s:i, s:o, s:o}", "code", code, "answer", answer, "said", sentences(err.text)));
	free(out.text);
	free(err.text);
	return code;
}
