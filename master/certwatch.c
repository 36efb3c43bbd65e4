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
#include "common/log.h"
#include "common/memory.h"

enum { DAY_S = 24 * 3600 };

static const char *const keys[] = {
    "Certificate", "Private Key", "Client Certificate", "Client Key"};

/* What a file looked like; all zero without one. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

static struct {
	struct supervisor *s;
	int fd;
	struct event *readable, *daily;
	struct stamp used[nitems(keys)]; /* of what the programs have */
} watch = {.fd = -1};

static const char *
path_of(size_t i)
{
	return config_text(watch.s->instance->config, "tls", keys[i]);
}

static void
read_stamps(struct stamp stamps[nitems(keys)])
{
	struct stat st;

	memset(stamps, 0, nitems(keys) * sizeof *stamps);
	for (size_t i = 0; i < nitems(keys); i++)
		if (path_of(i)[0] != '\0' && stat(path_of(i), &st) == 0) {
			stamps[i].dev = st.st_dev;
			stamps[i].ino = st.st_ino;
			stamps[i].size = st.st_size;
			stamps[i].changed = st.st_ctim;
		}
}

/* ---- the directories ---- */

static void
watch_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;

	if (strlcpy(directory, path, sizeof directory) >= sizeof directory ||
	    (slash = strrchr(directory, '/')) == NULL)
		return;
	slash[slash == directory] = '\0';
	/* One that is not there yet is looked for again at the next reload. */
	(void)inotify_add_watch(
	    watch.fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
}

static void
watch_directories(void)
{
	for (size_t i = 0; i < nitems(keys); i++) {
		char *real = path_of(i)[0] != '\0' ? realpath(path_of(i), NULL) : NULL;

		watch_directory_of(path_of(i));
		if (real != NULL)
			watch_directory_of(real);
		free(real);
	}
}

/* ---- changes ---- */

/* A pair that does not fit is half a renewal: the other half will be noticed, too. */
static bool
fit(size_t certificate)
{
	struct tls_check check;

	if (path_of(certificate)[0] == '\0')
		return true;
	config_tls_check(&check, path_of(certificate), path_of(certificate + 1));
	return !check.unusable;
}

static void
look(void)
{
	struct stamp now[nitems(keys)];

	read_stamps(now);
	if (memcmp(now, watch.used, sizeof now) == 0 || !fit(0) || !fit(2))
		return;
	memcpy(watch.used, now, sizeof now);
	log_info("certificates were renewed: new connections use them");
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
	for (size_t i = 0; i < nitems(keys); i += 2) {
		if (path_of(i)[0] == '\0')
			continue;
		config_tls_check(&check, path_of(i), path_of(i + 1));
		if (check.text[0] != '\0')
			log_warn("[tls] %s: %s", keys[i], check.text);
	}
	look();
}

/* ---- life ---- */

void
certwatch_start(struct supervisor *s)
{
	const struct timeval day = {DAY_S, 0};

	watch.s = s;
	read_stamps(watch.used);
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
	read_stamps(watch.used);
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
	watch.s = NULL;
	closefd(&watch.fd);
}
