/*
 * Completion scripts: the words of each command as its usage and its details have them, in a
 * function that both shells read, and around it what is each shell's own.
 */
#include "master/ctl_completion.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "common/span.h"

enum { WORDS_MAX = 64 };

struct words {
	struct span items[WORDS_MAX];
	size_t n;
};

/* clang-format off */
static const char bash_script[] =
	"_sambarctl() {\n"
	"	local current=${COMP_WORDS[COMP_CWORD]} at=1 command=\n"
	"	while [ $at -lt $COMP_CWORD ] && [ \"${COMP_WORDS[at]}\" = -d ]; do at=$((at + 2)); done\n"
	"	if [ $at -gt $COMP_CWORD ]; then\n"
	"		COMPREPLY=($(compgen -d -- \"$current\"))\n"
	"		return\n"
	"	fi\n"
	"	[ $at -eq $COMP_CWORD ] || command=${COMP_WORDS[at]}\n"
	"	case $current in\n"
	"	-*) [ -z \"$command\" ] || command=\"$command options\" ;;\n"
	"	*) [ -z \"$command\" ] || [ $((at + 1)) -eq $COMP_CWORD ] || return 0 ;;\n"
	"	esac\n"
	"	COMPREPLY=($(compgen -W \"$(_sambarctl_words \"$command\")\" -- \"$current\"))\n"
	"}\n"
	"complete -F _sambarctl sambarctl\n";
static const char zsh_script[] =
	"_sambarctl() {\n"
	"	local at=2 command=\n"
	"	while (( at < CURRENT )) && [[ $words[at] == -d ]]; do (( at += 2 )); done\n"
	"	if (( at > CURRENT )); then\n"
	"		_directories\n"
	"		return\n"
	"	fi\n"
	"	(( at == CURRENT )) || command=$words[at]\n"
	"	case $words[CURRENT] in\n"
	"	-*) [[ -z $command ]] || command=\"$command options\" ;;\n"
	"	*) [[ -z $command ]] || (( at + 1 == CURRENT )) || return 1 ;;\n"
	"	esac\n"
	"	compadd -- $(_sambarctl_words \"$command\")\n"
	"}\n"
	"_sambarctl \"$@\"\n";
/* clang-format on */

static void
add_word(struct words *words, struct span word)
{
	for (size_t i = 0; i < words->n; i++)
		if (span_equal(words->items[i], word))
			return;
	if (words->n < WORDS_MAX)
		words->items[words->n++] = word;
}

static bool
may_be_in_word(char c)
{
	return islower((unsigned char)c) || isdigit((unsigned char)c) || c == '-';
}

/* What is typed as it stands: lower case from its first to its last byte. */
static struct span
take_literal(struct span s)
{
	size_t n = 0;

	while (n < s.len && may_be_in_word(s.at[n]))
		n++;
	return (struct span){s.at, n};
}

/* The first word of each form: "list" of "list [--json]"; "now|list" gives both. */
static void
add_verbs(struct words *words, const char *usage)
{
	struct span rest = span_of(usage), form, word;
	bool more;

	do {
		more = span_take(&rest, '\n', &form);
		word = take_literal(form);
		while (word.len > 0 && islower((unsigned char)word.at[0])) {
			size_t end = word.at + word.len - form.at;

			add_word(words, word);
			if (end == form.len || form.at[end] != '|')
				break;
			form = (struct span){form.at + end + 1, form.len - end - 1};
			word = take_literal(form);
		}
	} while (more);
}

/* Where a word begins, and not within one. */
static bool
is_start(const char *text, size_t at)
{
	return at == 0 || strchr(" [|\n(", text[at - 1]) != NULL;
}

static void
add_options(struct words *words, const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++)
		if (text[i] == '-' && is_start(text, i)) {
			struct span option = take_literal(span_of(text + i));

			if (option.len > 1)
				add_word(words, option);
		}
}

static void
print_case(const char *name, const char *suffix, const struct words *words)
{
	printf("\t'%s%s') echo '", name, suffix);
	for (size_t i = 0; i < words->n; i++)
		printf("%s%.*s", i > 0 ? " " : "", (int)words->items[i].len, words->items[i].at);
	printf("' ;;\n");
}

static void
add_commands(struct words *words, const struct ctl_command *commands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_word(words, span_of(commands[i].name));
}

/* The words that can follow a command, or be its options; without a command: all commands. */
static void
print_words(const struct ctl_command *commands, size_t n)
{
	static const char *const before[] = {"-d", "--help", "--version"};
	struct words all = {.n = 0};

	printf("_sambarctl_words() {\n\tcase $1 in\n");
	for (size_t i = 0; i < n; i++) {
		struct words verbs = {.n = 0}, options = {.n = 0};

		if (strcmp(commands[i].name, "help") == 0)
			add_commands(&verbs, commands, n);
		else
			add_verbs(&verbs, commands[i].usage);
		add_options(&options, commands[i].usage);
		add_options(&options, commands[i].details);
		add_word(&options, span_of("--help"));
		print_case(commands[i].name, "", &verbs);
		print_case(commands[i].name, " options", &options);
	}
	add_commands(&all, commands, n);
	for (size_t i = 0; i < nitems(before); i++)
		add_word(&all, span_of(before[i]));
	print_case("", "", &all);
	printf("\tesac\n}\n\n");
}

bool
ctl_completion_print(const char *shell, const struct ctl_command *commands, size_t n)
{
	bool zsh = strcmp(shell, "zsh") == 0;

	if (!zsh && strcmp(shell, "bash") != 0)
		return false;
	printf("%s# Made by: sambarctl completion %s\n", zsh ? "#compdef sambarctl\n" : "", shell);
	print_words(commands, n);
	fputs(zsh ? zsh_script : bash_script, stdout);
	return true;
}
