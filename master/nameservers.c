/* The DNS servers that programs are to ask. */
#include "master/nameservers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/span.h"

enum { RESOLV_CONF_MAX_BYTES = 65536 };

static void
read_resolv_conf(struct resolv_conf *conf)
{
	static char text[RESOLV_CONF_MAX_BYTES];
	int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd != -1 ? read(fd, text, sizeof text) : 0;

	/* The C library does without it too. */
	closefd(&fd);
	resolv_conf_parse((struct span){text, n > 0 ? n : 0}, conf);
}

static bool
find_those_of_host(char list[NAMESERVERS_SIZE])
{
	struct resolv_conf conf;

	read_resolv_conf(&conf);
	list[0] = '\0';
	for (size_t i = 0; i < conf.n; i++) {
		strlcat(list, conf.servers[i], NAMESERVERS_SIZE);
		strlcat(list, " ", NAMESERVERS_SIZE);
	}
	return conf.trust_ad;
}

bool
nameservers_find(const struct config *c, char list[NAMESERVERS_SIZE])
{
	const char *first = config_text(c, "common", "DNS Primary");
	const char *second = config_text(c, "common", "DNS Secondary");
	bool trust = config_bool(c, "common", "Trust DNSSEC");

	if (first[0] == '\0' && second[0] == '\0')
		return find_those_of_host(list) || trust;
	snprintf(list, NAMESERVERS_SIZE, "%s %s", first, second);
	return trust;
}
