/*
 * Watches the directories of the certificates and keys, and of the files that they link to, as
 * tools that renew certificates exchange either.
 */
#include "master/certwatch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_tls_check.h"
#include "common/file_rights.h"
#include "common/log.h"
#include "common/memory.h"

enum { DAY_S = 24 * 3600 };

/* What a file looked like; all zero without one. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* A certificate and its key. */
struct pair {
	const char *keys[2];
	char *section;
	struct stamp used[2]; /* of what the programs have */
};

static struct {
	struct supervisor *s;
	int fd;
	struct event *readable, *daily;
	struct pair *pairs;
	size_t n;
} watch = {.fd = -1};

static const char *
path_of(const struct pair *p, size_t i)
{
	return config_text(watch.s->instance->config, p->section, p->keys[i]);
}

static void
read_stamps(const struct pair *p, struct stamp stamps[2])
{
	struct stat st;
	bool taken;
	int rv;

	memset(stamps, 0, 2 * sizeof *stamps);
	for (size_t i = 0; i < 2; i++) {
		if (path_of(p, i)[0] == '\0')
			continue;
		taken = file_rights_take_for(path_of(p, i));
		rv = stat(path_of(p, i), &st);
		file_rights_return(taken);
		if (rv == -1)
			continue;
		stamps[i].dev = st.st_dev;
		stamps[i].ino = st.st_ino;
		stamps[i].size = st.st_size;
		stamps[i].changed = st.st_ctim;
	}
}

/* ---- the pairs ---- */

static void
forget_pairs(void)
{
	for (size_t i = 0; i < watch.n; i++)
		free(watch.pairs[i].section);
	free(watch.pairs);
	watch.pairs = NULL;
	watch.n = 0;
}

static void
add_pair(const char *section, const char *certificate, const char *key)
{
	struct pair *p;

	watch.pairs = xrealloc(watch.pairs, (watch.n + 1) * sizeof *watch.pairs);
	p = &watch.pairs[watch.n++];
	*p = (struct pair){.keys = {certificate, key}, .section = xstrdup(section)};
	read_stamps(p, p->used);
}

/* All of the configuration, with what the files are now. */
static void
gather_pairs(void)
{
	const char *section;

	forget_pairs();
	add_pair("tls", "Certificate", "Private Key");
	add_pair("tls", "Client Certificate", "Client Key");
	for (size_t i = 0;
	     (section = config_section_at(watch.s->instance->config, "certificate *", i)) != NULL;
	     i++)
		add_pair(section, "Certificate", "Private Key");
}

/* ---- the directories ---- */

static void
watch_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	bool taken;

	if (strlcpy(directory, path, sizeof directory) >= sizeof directory ||
	    (slash = strrchr(directory, '/')) == NULL)
		return;
	slash[slash == directory] = '\0';
	taken = file_rights_take_for(directory);
	/* One that is not there yet is looked for again at the next reload. */
	(void)inotify_add_watch(
	    watch.fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
	file_rights_return(taken);
}

static void
watch_directories(void)
{
	for (size_t i = 0; i < 2 * watch.n; i++) {
		const char *path = path_of(&watch.pairs[i / 2], i % 2);
		bool taken = path[0] != '\0' && file_rights_take_for(path);
		char *real = path[0] != '\0' ? realpath(path, NULL) : NULL;

		file_rights_return(taken);
		watch_directory_of(path);
		if (real != NULL)
			watch_directory_of(real);
		free(real);
	}
}

/* ---- changes ---- */

static bool
is_there(const struct pair *p)
{
	return path_of(p, 0)[0] != '\0' && path_of(p, 1)[0] != '\0';
}

/* A pair that does not fit is half a renewal: the other half will be noticed, too. */
static bool
is_renewed(const struct pair *p)
{
	struct stamp now[2];
	struct tls_check check;

	read_stamps(p, now);
	if (!is_there(p) || memcmp(now, p->used, sizeof now) == 0)
		return false;
	config_tls_check(&check, path_of(p, 0), path_of(p, 1));
	return !check.unusable;
}

/* Of a pair that does not fit just now the programs keep what they have. */
static void
look(void)
{
	bool renewed = false;

	for (size_t i = 0; i < watch.n && !renewed; i++)
		renewed = is_renewed(&watch.pairs[i]);
	if (!renewed)
		return;
	log_info("certificates were renewed: new connections use them");
	for (size_t i = 0; i < watch.n; i++)
		read_stamps(&watch.pairs[i], watch.pairs[i].used);
	supervisor_renew(watch.s);
	watch_directories();
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char buf[16384];

	(void)what, (void)arg;
	while (read(fd, buf, sizeof buf) > 0)
		continue;
	look();
}

static void
on_day(evutil_socket_t fd, short what, void *arg)
{
	struct tls_check check;

	(void)fd, (void)what, (void)arg;
	for (size_t i = 0; i < watch.n; i++) {
		const struct pair *p = &watch.pairs[i];

		if (!is_there(p))
			continue;
		config_tls_check(&check, path_of(p, 0), path_of(p, 1));
		if (check.text[0] != '\0')
			log_warn("[%s] %s: %s", p->section, p->keys[0], check.text);
	}
	look();
}

/* ---- life ---- */

void
certwatch_start(struct supervisor *s)
{
	const struct timeval day = {DAY_S, 0};

	watch.s = s;
	gather_pairs();
	watch.daily = event_new(s->base, -1, EV_PERSIST, on_day, NULL);
	event_add(watch.daily, &day);
	on_day(-1, 0, NULL);
	if ((watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) == -1) {
		log_warn(
		    "cannot watch certificates: %s; a renewed one takes a reload", strerror(errno));
		return;
	}
	watch.readable = event_new(s->base, watch.fd, EV_READ | EV_PERSIST, on_readable, NULL);
	event_add(watch.readable, NULL);
	watch_directories();
}

void
certwatch_renew(void)
{
	if (watch.s == NULL)
		return;
	gather_pairs();
	if (watch.fd != -1)
		watch_directories();
}

void
certwatch_stop(void)
{
	if (watch.readable != NULL)
		event_free(watch.readable);
	if (watch.daily != NULL)
		event_free(watch.daily);
	watch.readable = watch.daily = NULL;
	forget_pairs();
	watch.s = NULL;
	closefd(&watch.fd);
}
