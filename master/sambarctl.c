/*
 * sambarctl, the control command: one table of commands. Speaks to the supervisor by control.sock,
 * edits the configuration, reads the logs; what concerns users is done by auth, mail by queue.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_completion.h"

static int help(struct ctl *ctl, char **args, size_t n);
static int completion(struct ctl *ctl, char **args, size_t n);

static const struct ctl_command commands[] = {
    {"init", "DIR --domain DOMAIN [--host NAME] [--port-base N] [--uid-base N]",
	"make an instance that runs as it is, on loopback",
	"Makes DIR with a configuration, a self-signed certificate and all directories.\n"
	"--domain DOMAIN  the domain whose mail is local\n"
	"--host NAME      what this host calls itself, where that is another name\n"
	"--port-base N    ports are N+25 SMTP, N+80 HTTP, N+110 POP3, N+443 HTTPS, N+465 SMTPS,\n"
	"                 N+587 submission and N+995 POP3S on 127.0.0.1; without it 10000\n"
	"--uid-base N     the programs' accounts are the numbers N, N+1 ... when root starts them\n"
	"                 and there are no accounts sambar-<program>\n",
	true, ctl_init},
    {"setup",
	"DOMAIN [--host NAME] [--public] [--user NAME] [--admin] [--password-stdin]\n"
	"      [--webmail on|off] [--json]",
	"have an instance serve a domain",
	"Makes mail for DOMAIN local, a certificate where there is none, and a user; then prints "
	"what\nis to be published in the DNS. What is so already stays. On a terminal it asks for "
	"what is\nnot said.\n"
	"--host NAME       what other hosts call this one, as mail.example.org\n"
	"--public          listen on the usual ports of all addresses\n"
	"--user NAME       an account with a mailbox, which gets the mail for postmaster, too\n"
	"--admin           this user is an administrator\n"
	"--password-stdin  its password is the first line of standard input; nothing is asked\n"
	"--webmail on|off  whether there is WebMail\n",
	false, ctl_setup},
    {"dns", "[DOMAIN] [--json]", "what is to be published in the DNS",
	"For DOMAIN, or for all local domains, and for the host. Asks no DNS server: doctor "
	"does.\n",
	false, ctl_dns},
    {"doctor", "[--try HOST] [--json]", "whether all that the instance needs around it is right",
	"Looks at the DNS, the ports, the certificate, the disks, the clock, owners and modes, "
	"and\n"
	"at the configuration. Each line is right, wrong, with what was asked and answered and how "
	"to\nmend it, or cannot tell from here. The exit status is 1 when something is wrong.\n"
	"--try HOST  a mail server outside, to see whether port 25 of others can be reached\n",
	false, ctl_doctor},
    {"start", "[--foreground]", "start the instance",
	"Returns when every port answers, or says why not.\n"
	"--foreground  stay, and print log lines, too\n",
	false, ctl_start},
    {"stop", "", "stop the instance", "Returns when all programs have finished their work.\n",
	false, ctl_stop},
    {"restart", "[PROGRAM]", "replace the processes of all programs or one",
	"Ports stay open: no client is refused.\n", false, ctl_restart},
    {"reload", "", "bring a changed configuration into effect",
	"Checks it first: with errors nothing changes.\n", false, ctl_reload},
    {"owners", "", "give files to the accounts that they belong to",
	"For root, where the supervisor runs as sambar-master: the configuration and the logs "
	"become\n"
	"its own, the directories of accounts, mailboxes and spool those of auth, store and "
	"queue.\n"
	"The units do it before a start. reload gives away what it makes only.\n",
	false, ctl_owners},
    {"status", "[--json]", "what runs, since when, and what it counts", "", false, ctl_status},
    {"check", "[--json]", "check the configuration",
	"Prints all errors and warnings of both files. The exit status is 78 with errors.\n", false,
	ctl_check},
    {"user",
	"add NAME [--no-mailbox] [--admin]\ndel NAME [--purge]\npasswd NAME\nlist [--json]\n"
	"mailbox NAME on|off\nadmin NAME on|off\nquota NAME SIZE|none\nsetup-link [--json]",
	"accounts and their mailboxes",
	"A password is the first line of standard input, or asked for on a terminal.\n"
	"del --purge and mailbox off remove the mail, too. SIZE is in bytes, or with K, M, G;\n"
	"none: Maximum Mailbox Size holds. Works without a running instance, too.\n"
	"setup-link prints a link that makes the first administrator in a browser, once and\n"
	"within a day.\n",
	false, ctl_user},
    {"alias", "list [--json]\nset NAME TARGET ...\ndel NAME", "other names of users",
	"NAME is a name or a complete address; a TARGET is a user, an address, another alias, or\n"
	"null, which drops the mail. Kept in [aliases] of config/mail.ini.\n",
	false, ctl_alias},
    {"forward", "list [--json]\nset NAME TARGET ...\ndel NAME",
	"where the mail of an account goes instead", "Kept in [forward] of config/mail.ini.\n",
	false, ctl_forward},
    {"queue",
	"list [FILTER ...] [--limit N | --all] [--json]\nshow ID [--json]\n"
	"hold WHICH [--why TEXT] [--by WHO]\nrelease WHICH\nretry WHICH\nflush [DOMAIN]\n"
	"remove WHICH [--why TEXT]\nbounce WHICH [--why TEXT]\n"
	"reroute HOST[:PORT]|none WHICH",
	"messages that wait for their delivery",
	"WHICH are queue ids, or filters that all must fit, or --all:\n"
	"--sender PATTERN, --recipient PATTERN, --domain PATTERN   with *; <> is the null sender\n"
	"--older AGE, --younger AGE   as 30m, 4h, 2d\n"
	"--reason TEXT   occurs in why it waits\n"
	"--held          only what is held\n"
	"hold     it waits until it is released\n"
	"retry    it is due now, also before the time that its sender wanted\n"
	"flush    all is due now, or what is for DOMAIN\n"
	"remove   without a word to its sender; bounce tells him\n"
	"reroute  the host that takes it, whatever DNS and configuration say\n"
	"A message that is being delivered is dealt with when that attempt has ended.\n"
	"Changes take --json, too.\n",
	false, ctl_queue},
    {"fetch",
	"list [--json]\nnow [NAME] [--json]\ntest NAME [--json]\ndry-run NAME [--json]\nforget "
	"NAME [--json]",
	"mail collected from other hosts",
	"NAME is that of a section [fetch NAME] of config/mail.ini.\n"
	"now      collects, and returns when that is over; without NAME all\n"
	"test     connects, logs in, says what is there, and takes nothing\n"
	"dry-run  the same, and to whom each new message would go, and why\n"
	"forget   all that is still there is new again\n",
	false, ctl_fetch},
    {"explain", "--from ADDRESS --to ADDRESS --ip IP [--user USER] [--listener KEY] [--json]",
	"who may send what to whom, and where it would go",
	"Asks the running programs for each rule, and sends nothing.\n"
	"--from ADDRESS   the sender; \"\" is the null sender\n"
	"--ip IP          the client's address, or local for a UNIX socket\n"
	"--user USER      who has logged in\n"
	"--listener KEY   SMTP (without it), Submission or SMTPS\n",
	false, ctl_explain},
    {"log", "[-f] [PROGRAM]\nrotate", "print the logs, of all programs by time, or of one",
	"-f      print the last lines, then new ones as they come, until interrupted\n"
	"rotate  rename NAME.log to NAME.log.1 and so on up to 7, and begin new ones; traces, "
	"too\n",
	false, ctl_log},
    {"trace", "QUEUE-ID|ADDRESS [--json]", "what happened to a message, from all logs",
	"With an ADDRESS: to all messages from it or to it.\n", false, ctl_trace},
    {"stats", "[--json]", "traffic of the last day, disks and certificates", "", false, ctl_stats},
    {"usage", "[--json]", "how full the mailboxes are", "", false, ctl_usage_of_mailboxes},
    {"backup",
	"now [--json]\nlist [--from DAY] [--json]\nlist USER --from DAY [--json]\n"
	"list USER FOLDER --from DAY [--find TEXT] [--before N] [--limit N] [--json]\n"
	"restore USER [FOLDER|MESSAGE] --from DAY [--json]\n"
	"restore USER FOLDER MESSAGE --from DAY [--json]",
	"backups of the mailboxes, and mail back from them",
	"now      backs all mailboxes up, also without Backup Mailboxes, and returns when that is\n"
	"         done; a backup of the same day is replaced\n"
	"list     the days of which there is a backup; with a DAY whose mailboxes are in that\n"
	"         one, with a USER his folders in it, with a FOLDER its messages: the newest N,\n"
	"         those with a smaller number, those with TEXT in sender or subject\n"
	"restore  takes back what is not there any more; nothing is overwritten or doubled.\n"
	"         MESSAGE is the name of its file, its Message-ID or, with a FOLDER, its number "
	"in\n"
	"         the list\n"
	"DAY is written as 2026-11-26.\n",
	false, ctl_backup},
    {"import",
	"mbox FILE --user USER [--folder FOLDER] [--json]\n"
	"maildir DIR --user USER [--folder FOLDER] [--json]",
	"take over mail of other systems",
	"mbox     FILE, or standard input for -, goes into FOLDER, or INBOX\n"
	"maildir  DIR with its folders; with FOLDER below it. Flags and keywords come along\n"
	"What is damaged is named and passed over, and the exit status is 65. Run again, it adds\n"
	"only what is not there yet.\n",
	false, ctl_import},
    {"config",
	"get KEY [--json]\nset KEY [VALUE]\nunset KEY|SECTION\nlist [--json]\nhistory [ID] "
	"[--json]\nundo "
	"ID",
	"read or change the configuration",
	"A key whose name is in several sections is written \"[section] Key\", a line of [routes] "
	"and\n"
	"the like \"[routes] example.org\". unset removes it from the file: a key has its default\n"
	"then. Of a SECTION that has a name of its own, as \"[fetch work]\", it removes all.\n"
	"A password without a VALUE is asked for, or read from standard input. Comments and\n"
	"order of the file stay; a running instance takes the change over at once.\n"
	"list prints all keys; history who changed what and when (with an ID: what was before "
	"it),\n"
	"and undo takes such a change back.\n",
	false, ctl_config},
    {"completion", "bash|zsh", "print what completes command lines of sambarctl in a shell",
	"The package installs it; for one shell: eval \"$(sambarctl completion bash)\".\n", true,
	completion},
    {"help", "[COMMAND]", "what the commands do", "", true, help},
};

/* ---- help ---- */

static void
print_commands(FILE *f)
{
	fprintf(f, "usage: sambarctl [-d DIR] COMMAND ...\n\n"
		   "DIR is the instance's directory; without it $SAMBAR_DIR, or the current one, "
		   "or\n" INSTANCE_DIR ".\n\n");
	for (size_t i = 0; i < nitems(commands); i++)
		fprintf(f, "  %-12s%s\n", commands[i].name, commands[i].summary);
	fprintf(f, "\nsambarctl help COMMAND says more, sambarctl(8) everything.\n");
}

static void
print_help(const struct ctl_command *c)
{
	const char *form = c->usage, *end;

	for (;; form = end + 1) {
		end = strchrnul(form, '\n');
		/* what begins with a blank goes on with the line before */
		if (*form == ' ')
			printf("                  %.*s\n", (int)(end - form), form);
		else
			printf("sambarctl [-d DIR] %s%s%.*s\n", c->name, end > form ? " " : "",
			    (int)(end - form), form);
		if (*end == '\0')
			break;
	}
	printf("\n%s.\n%s", c->summary, c->details);
}

static const struct ctl_command *
find_command(const char *name)
{
	for (size_t i = 0; i < nitems(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int
help(struct ctl *ctl, char **args, size_t n)
{
	const struct ctl_command *c;

	if (n > 1)
		return ctl_misuse(ctl, args, n, 1);
	if (ctl->json)
		return ctl_fail(EX_USAGE, "help knows no --json");
	if (n == 0) {
		print_commands(stdout);
		return 0;
	}
	if ((c = find_command(args[0])) == NULL)
		return ctl_fail(
		    EX_USAGE, "there is no command \"%s\"", log_printable(span_of(args[0])));
	print_help(c);
	return 0;
}

static int
completion(struct ctl *ctl, char **args, size_t n)
{
	if (n != 1)
		return ctl_misuse(ctl, args, n, 1);
	if (ctl->json)
		return ctl_fail(EX_USAGE, "completion knows no --json");
	if (!ctl_completion_print(args[0], commands, nitems(commands)))
		return ctl_fail(EX_USAGE, "there is completion for bash and zsh, not for \"%s\"",
		    log_printable(span_of(args[0])));
	return 0;
}

/* ---- which instance ---- */

static bool
is_instance(const char *dir)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/config/config.ini", dir) < (int)sizeof path &&
	       access(path, F_OK) == 0;
}

/* The absolute path, or NULL: told, *code is set. */
static char *
find_root(const char *dir, int *code)
{
	const char *given = dir != NULL ? dir : getenv("SAMBAR_DIR");
	char *absolute;
	int error;

	if (given == NULL)
		given = is_instance(".")		  ? "."
			: access(INSTANCE_DIR, F_OK) == 0 ? INSTANCE_DIR
							  : NULL;
	if (given == NULL) {
		*code = ctl_fail(EX_NOINPUT,
		    "which instance? Say sambarctl -d DIR, set SAMBAR_DIR, or be in "
		    "its directory (sambarctl init makes one)");
		return NULL;
	}
	if (!is_instance(given)) {
		error = errno;
		*code = ctl_code_of(error, EX_NOINPUT);
		ctl_fail(*code,
		    *code == EX_NOPERM ? "\"%s\" cannot be looked into: config/config.ini in it: %s"
				       : "\"%s\" is no instance: config/config.ini in it: %s",
		    given, strerror(error));
		return NULL;
	}
	if ((absolute = realpath(given, NULL)) == NULL)
		*code = ctl_fail(EX_NOINPUT, "%s: %s", given, strerror(errno));
	return absolute;
}

/* ---- main ---- */

static int
run(const struct ctl_command *command, const char *dir, char **args, size_t n)
{
	struct ctl ctl = {.command = command};
	int code;

	if (n > 0 && strcmp(args[n - 1], "--help") == 0) {
		print_help(command);
		return 0;
	}
	ctl.json = ctl_flag(args, &n, "--json");
	if (!command->anywhere && (ctl.root = find_root(dir, &code)) == NULL)
		return code;
	code = command->run(&ctl, args, n);
	free(ctl.root);
	if (fflush(stdout) != 0 && code == 0)
		code = ctl_fail(EX_IOERR, "standard output: %s", strerror(errno));
	return code;
}

/* An option in the place of a command. */
static int
without_command(const char *option)
{
	if (strcmp(option, "--help") == 0)
		print_commands(stdout);
	else if (strcmp(option, "--version") == 0)
		puts("sambarctl (Sambar Mail) " VERSION);
	else
		return ctl_fail(EX_USAGE,
		    "\"%s\" is no option in front of a command: there are -d DIR, --help and "
		    "--version",
		    log_printable(span_of(option)));
	return 0;
}

int
main(int argc, char **argv)
{
	const struct ctl_command *command;
	const char *dir = NULL;
	int at = 1;

	log_open("sambarctl");
	for (; at < argc && argv[at][0] == '-'; at += 2) {
		if (strcmp(argv[at], "-d") != 0)
			return without_command(argv[at]);
		if (at + 1 == argc)
			return ctl_fail(EX_USAGE, "-d: the directory is missing");
		dir = argv[at + 1];
	}
	if (at >= argc || (command = find_command(argv[at])) == NULL) {
		if (at < argc)
			ctl_fail(EX_USAGE, "there is no command \"%s\"",
			    log_printable(span_of(argv[at])));
		print_commands(stderr);
		return EX_USAGE;
	}
	return run(command, dir, argv + at + 1, argc - at - 1);
}
