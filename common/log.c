/*
 * One event a line to standard error, buffered. Started by hand, without master, the lines read the
 * same.
 */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/utf8.h"

enum { SAFE_BUFFERS = 8, SAFE_MAX_BYTES = 600 };

static const char *program = "sambar";
static bool debug;
static char pending[PIPE_BUF];
static size_t n_pending;

void
log_open(const char *name)
{
	program = name;
}

void
log_set_debug(bool on)
{
	debug = on;
}

void
log_flush(void)
{
	size_t done = 0;
	int saved = errno;

	while (done < n_pending) {
		ssize_t n = write(STDERR_FILENO, pending + done, n_pending - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* nobody is left to read it */
		done += n;
	}
	n_pending = 0;
	errno = saved;
}

/* Control bytes cannot end a line early, whatever a caller forgot to pass through log_safe(). */
static void
add_line(char mark, char *line, size_t len)
{
	struct timespec now;

	if (len > LOG_LINE_MAX_BYTES)
		len = LOG_LINE_MAX_BYTES;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = '?';
	if (n_pending + LOG_HEAD_BYTES + len + 2 > sizeof pending)
		log_flush();
	clock_gettime(CLOCK_REALTIME, &now);
	n_pending += snprintf(pending + n_pending, LOG_HEAD_BYTES + 1, "<%c>%016" PRIu64 " ", mark,
	    (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	memcpy(pending + n_pending, line, len);
	n_pending += len;
	pending[n_pending++] = '\n';
}

static void
log_line(char mark, const char *format, va_list ap)
{
	char line[LOG_LINE_MAX_BYTES + 1];
	int saved = errno, n = vsnprintf(line, sizeof line, format, ap);

	if (n > 0)
		add_line(mark, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
	errno = saved;
}

#define LOG_WITH(mark)              \
	va_list ap;                 \
	va_start(ap, format);       \
	log_line(mark, format, ap); \
	va_end(ap)

void
log_debug(const char *format, ...)
{
	if (!debug)
		return;
	LOG_WITH('0' + LOG_LEVEL_DEBUG);
}

void
log_info(const char *format, ...)
{
	LOG_WITH('0' + LOG_LEVEL_INFO);
}

void
log_warn(const char *format, ...)
{
	LOG_WITH('0' + LOG_LEVEL_WARN);
}

void
log_trace(const char *format, ...)
{
	LOG_WITH(LOG_TRACE_MARK);
}

static void
end_program(const char *sentence, const char *reason)
{
	char line[LOG_LINE_MAX_BYTES + 1];
	int n = snprintf(line, sizeof line, "%s: fatal: %s%s%s", program, sentence,
	    reason ? ": " : "", reason ? reason : "");

	add_line('0' + LOG_LEVEL_FATAL, line, n < (int)sizeof line ? n : (int)sizeof line - 1);
	log_flush();
	exit(1);
}

void
fatal(const char *format, ...)
{
	char sentence[LOG_LINE_MAX_BYTES];
	int error = errno;
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	end_program(sentence, strerror(error));
	abort();
}

void
fatalx(const char *format, ...)
{
	char sentence[LOG_LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	end_program(sentence, NULL);
	abort();
}

static bool
is_plain(const unsigned char *p, size_t length, const char *escaped)
{
	if (length == 0 || p[0] < ' ' || p[0] == 0x7f || strchr(escaped, p[0]) != NULL)
		return false;
	return !(p[0] == 0xc2 && p[1] < 0xa0); /* C1 controls */
}

static const char *
printable(struct span text, const char *escaped)
{
	static char buffers[SAFE_BUFFERS][SAFE_MAX_BYTES + 4];
	static unsigned turn;
	char *out = buffers[turn++ % SAFE_BUFFERS];
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < SAFE_MAX_BYTES - 8;) {
		const unsigned char *p = (const unsigned char *)text.at + i;
		size_t length = utf8_length(p, text.len - i);

		if (is_plain(p, length, escaped)) {
			memcpy(out + n, p, length);
			n += length;
			i += length;
			continue;
		}
		n += snprintf(out + n, 5, "\\x%02x", *p);
		i++;
	}
	out[n] = '\0';
	return out;
}

const char *
log_safe(struct span text)
{
	return printable(text, "\\<>"); /* values stand between angles */
}

const char *
log_printable(struct span text)
{
	return printable(text, "");
}

void
log_trace_lines(const char *who, struct span text)
{
	struct span line;
	bool more;

	do {
		more = span_take(&text, '\n', &line);
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		log_trace("%s %s", who, printable(line, "\\"));
	} while (more);
}
