/* An instance's config directory for tests, and its two files. */
#ifndef TESTS_UNIT_COMMON_CONFIG_SUPPORT_H
#define TESTS_UNIT_COMMON_CONFIG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static inline void
path_of(char out[160], const char *name)
{
	snprintf(out, 160, "%s/%s", root, name);
}

static inline void
put_bytes_of(const char *name, const char *bytes, size_t len)
{
	char path[160];
	FILE *f;

	path_of(path, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void
put_file(const char *name, const char *text)
{
	put_bytes_of(name, text, strlen(text));
}

/* To be freed. */
static inline char *
get_file(const char *name)
{
	char path[160], *text = NULL;
	size_t size = 0;
	FILE *f;
	ssize_t n;

	path_of(path, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = getdelim(&text, &size, '\0', f);
	if (n == -1)
		text[0] = '\0';
	fclose(f);
	return text;
}

static inline int
make_root(void **state)
{
	char path[160];

	(void)state;
	strcpy(root, "/tmp/sambar-config-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	path_of(path, "config");
	return mkdir(path, 0755);
}

/* What tests make: files in config/, mailboxes in mail/mbox/. */
static inline int
remove_root(void **state)
{
	static const char *const files[] = {"config/config.ini", "config/mail.ini",
	    "config/tls.crt", "config/tls.key", "mail/mbox/tod/inbox.fld", "mail/mbox/tod",
	    "mail/mbox", "mail", "config/real.ini", "config"};
	char path[160];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		path_of(path, files[i]);
		(void)remove(path);
	}
	return rmdir(root); /* fails when something was left over */
}

#endif
