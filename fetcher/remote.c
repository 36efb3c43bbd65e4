/*
 * A mailbox at another host: what POP3 and IMAP share. Connection and TLS, commands and lines, how
 * a session ends. Touches the network only.
 */
#include "fetcher/remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/tls_client.h"
#include "fetcher/remote_private.h"

enum { SHA256_MATCHING = 1, CERTIFICATE_SELECTOR = 0, DANE_EE_USAGE = 3 };
enum { FINGERPRINT_TEXT_SIZE = REMOTE_FINGERPRINT_BYTES * 3 };

const struct remote_timeouts remote_timeouts_default = {
    .connect_s = 30,
    .tls_s = 60,
    .greeting_s = 60,
    .auth_s = 120,
    .reply_s = 300,
    .data_s = 180,
    .quit_s = 60,
    .open_s = 300,
    .message_s = 600,
    .message_bytes_per_s = 1000,
};

/* ---- trace ---- */

static void
trace(const struct remote *r, enum remote_trace what, struct span line)
{
	if (r->target->trace != NULL)
		r->target->trace(r->target->trace_arg, what, line);
}

void
remote_note(const struct remote *r, const char *format, ...)
{
	char text[REMOTE_WHY_SIZE];
	va_list ap;

	if (r->target->trace == NULL)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	trace(r, REMOTE_TRACE_NOTE, span_of(text));
}

void
remote_heard(const struct remote *r, struct span line)
{
	trace(r, REMOTE_TRACE_IN, line);
}

/* ---- how it ends ---- */

void
remote_copy_text(struct span text, char *out, size_t size)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
	out[n] = '\0';
}

static void
set_why(struct remote *r, const char *format, va_list ap)
{
	char text[REMOTE_WHY_SIZE], whole[2 * REMOTE_WHY_SIZE];

	vsnprintf(text, sizeof text, format, ap);
	if (r->info.address[0] != '\0')
		snprintf(whole, sizeof whole, "%s[%s]:%u %s", r->target->host, r->info.address,
		    r->info.port, text);
	else
		snprintf(whole, sizeof whole, "%s %s", r->target->host, text);
	remote_copy_text(span_of(whole), r->why, sizeof r->why);
}

void
remote_say(struct remote *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set_why(r, format, ap);
	va_end(ap);
	remote_note(r, "%s", r->why);
}

enum remote_end
remote_fail(struct remote *r, enum remote_end end, const char *format, ...)
{
	va_list ap;

	if (r->end != REMOTE_OK)
		return r->end;
	va_start(ap, format);
	set_why(r, format, ap);
	va_end(ap);
	r->end = end;
	remote_note(r, "failed: %s", r->why);
	return end;
}

enum remote_end
remote_fail_wire(struct remote *r, const char *where)
{
	return remote_fail(r, REMOTE_TEMPORARY, "%s: %s", where, client_wire_why(r->wire));
}

/* Neither does a server speak that waits for TLS. */
void
remote_explain_silence(struct remote *r)
{
	if (client_wire_end(r->wire) != WIRE_TIMEOUT || r->target->tls == REMOTE_TLS_IMPLICIT)
		return;
	strlcat(r->why, ": no greeting; perhaps TLS = implicit is needed there", sizeof r->why);
	remote_note(r, "no greeting: perhaps TLS = implicit is needed there");
}

/* ---- commands and lines ---- */

enum remote_end
remote_put(struct remote *r, const char *mask, const char *format, ...)
{
	char line[REMOTE_COMMAND_MAX_BYTES];
	va_list ap;
	int n;

	if (r->end != REMOTE_OK)
		return r->end;
	va_start(ap, format);
	n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	/* A line end within would be another command, and a command that is cut too. */
	if (n < 0 || (size_t)n + sizeof "\r\n" > sizeof line || strpbrk(line, "\r\n") != NULL) {
		remote_fail(r, REMOTE_PERMANENT, "a command cannot be sent");
	} else {
		trace(r, REMOTE_TRACE_OUT, mask ? span_of(mask) : (struct span){line, n});
		/* A failure shows when the answer is read, and what was said before it too. */
		(void)client_wire_put(r->wire, (struct span){line, n});
		(void)client_wire_put(r->wire, span_of("\r\n"));
	}
	explicit_bzero(line, sizeof line);
	return r->end;
}

enum remote_end
remote_flush(struct remote *r, unsigned seconds, const char *where)
{
	if (r->end != REMOTE_OK)
		return r->end;
	client_wire_deadline(r->wire, seconds);
	/* If it is closed, why the server did so may still be there to read. */
	if (client_wire_flush(r->wire) == -1 && client_wire_end(r->wire) != WIRE_CLOSED)
		return remote_fail_wire(r, where);
	return REMOTE_OK;
}

enum remote_end
remote_line(struct remote *r, const char *where, struct span *line)
{
	if (r->end != REMOTE_OK)
		return r->end;
	if (client_wire_line(r->wire, REMOTE_LINE_MAX_BYTES, line) == -1)
		return remote_fail_wire(r, where);
	return REMOTE_OK;
}

enum remote_end
remote_in_step(struct remote *r, const char *where)
{
	if (r->end == REMOTE_OK && client_wire_unread(r->wire) > 0)
		return remote_fail(
		    r, REMOTE_TEMPORARY, "%s: it said more than it was asked", where);
	return r->end;
}

/* ---- TLS ---- */

static void
print_fingerprint(const unsigned char *digest, char out[FINGERPRINT_TEXT_SIZE])
{
	for (size_t i = 0; i < REMOTE_FINGERPRINT_BYTES; i++)
		snprintf(out + 3 * i, FINGERPRINT_TEXT_SIZE - 3 * i, "%02X%s", digest[i],
		    i + 1 < REMOTE_FINGERPRINT_BYTES ? ":" : "");
}

static bool
was_shown(const unsigned char *digest)
{
	static const unsigned char none[REMOTE_FINGERPRINT_BYTES];

	return memcmp(digest, none, sizeof none) != 0;
}

/* OpenSSL speaks of DANE then, which is only how the fingerprint is compared. */
static bool
is_another(const struct remote *r, const unsigned char *shown)
{
	const unsigned char *wanted = r->target->fingerprint;

	return wanted != NULL && was_shown(shown) &&
	       memcmp(shown, wanted, REMOTE_FINGERPRINT_BYTES) != 0;
}

static enum remote_end
fail_as_another(struct remote *r, const unsigned char *shown)
{
	char is[FINGERPRINT_TEXT_SIZE], wanted[FINGERPRINT_TEXT_SIZE];

	print_fingerprint(shown, is);
	print_fingerprint(r->target->fingerprint, wanted);
	strlcpy(r->info.tls_how, "not the certificate of Certificate Fingerprint",
	    sizeof r->info.tls_how);
	return remote_fail(r, REMOTE_PERMANENT,
	    "at the TLS handshake: the certificate has the fingerprint %s, Certificate "
	    "Fingerprint is %s",
	    is, wanted);
}

static enum remote_end
handshake(struct remote *r, const struct tls_client *tls)
{
	const char *why;
	struct tls_client_result result;
	bool refused;
	SSL *ssl = tls_client_new(tls, &why);

	if (ssl == NULL)
		return remote_fail(r, REMOTE_PERMANENT, "TLS: %s", why);
	client_wire_deadline(r->wire, r->target->timeouts.tls_s);
	if (client_wire_start_tls(r->wire, ssl) == -1) {
		refused = SSL_get_verify_result(ssl) != X509_V_OK;
		if (refused && is_another(r, tls->fingerprint))
			return fail_as_another(r, tls->fingerprint);
		strlcpy(r->info.tls_how, client_wire_why(r->wire), sizeof r->info.tls_how);
		if (client_wire_is_not_tls(r->wire))
			return remote_fail(r, REMOTE_TEMPORARY,
			    "at the TLS handshake: %s: perhaps no TLS is spoken at that port%s",
			    client_wire_why(r->wire),
			    r->target->tls == REMOTE_TLS_IMPLICIT
				? ": another port, or TLS = starttls, may be needed"
				: "");
		return remote_fail(r, refused ? REMOTE_PERMANENT : REMOTE_TEMPORARY,
		    "at the TLS handshake: %s", client_wire_why(r->wire));
	}
	tls_client_describe(ssl, &result);
	strlcpy(r->info.tls_version, result.version, sizeof r->info.tls_version);
	strlcpy(r->info.tls_cipher, result.cipher, sizeof r->info.tls_cipher);
	strlcpy(r->info.tls_how, tls->policy == TLS_CLIENT_PIN ? "fingerprint" : result.how,
	    sizeof r->info.tls_how);
	remote_note(r, "TLS %s %s: %s", result.version, result.cipher, r->info.tls_how);
	return REMOTE_OK;
}

enum remote_end
remote_handshake(struct remote *r)
{
	const struct remote_target *t = r->target;
	unsigned char shown[REMOTE_FINGERPRINT_BYTES] = {0};
	const struct tlsa_record pin = {DANE_EE_USAGE, CERTIFICATE_SELECTOR, SHA256_MATCHING,
	    {(const char *)t->fingerprint, REMOTE_FINGERPRINT_BYTES}};
	const struct tls_client tls = {
	    .policy = t->fingerprint != NULL ? TLS_CLIENT_PIN : TLS_CLIENT_VERIFY,
	    .context = t->context,
	    .host = t->host,
	    .names = &t->host,
	    .n_names = 1,
	    .tlsa = &pin,
	    .n_tlsa = t->fingerprint != NULL,
	    .fingerprint = shown};

	if (remote_in_step(r, "before TLS") != REMOTE_OK)
		return r->end;
	(void)handshake(r, &tls);
	/* What is asked of tls is asked within the handshake only. */
	if (client_wire_ssl(r->wire) != NULL)
		SSL_set_app_data(client_wire_ssl(r->wire), NULL);
	if (was_shown(shown))
		print_fingerprint(shown, r->info.fingerprint);
	return r->end;
}

/* ---- life ---- */

struct remote *
remote_new(const struct remote_target *target)
{
	struct remote *r = xcalloc(1, sizeof *r);

	r->target = target;
	r->ops = target->protocol == REMOTE_IMAP ? &imap_ops : &pop3_ops;
	return r;
}

static void
disconnect(struct remote *r)
{
	client_wire_free(&r->wire);
	if (r->p != NULL)
		r->ops->free(r->p);
	r->p = NULL;
	r->is_open = false;
}

void
remote_free(struct remote **r)
{
	if (*r == NULL)
		return;
	disconnect(*r);
	free(*r);
	*r = NULL;
}

const char *
remote_why(const struct remote *r)
{
	return r->why;
}

const struct remote_info *
remote_info(const struct remote *r)
{
	return &r->info;
}

/* ---- opening ---- */

static enum remote_end
open_at(struct remote *r, const struct sockaddr_storage *address)
{
	const struct remote_target *t = r->target;
	const struct sockaddr *at = (const struct sockaddr *)address;

	disconnect(r);
	r->end = REMOTE_OK;
	r->greeted = false;
	r->info = (struct remote_info){0};
	socket_address_text(at, r->info.address);
	r->info.port = socket_address_port(at);
	r->wire = client_wire_new();
	r->p = r->ops->new ();
	remote_note(r, "connect to %s[%s]:%u", t->host, r->info.address, r->info.port);
	client_wire_limit(r->wire, t->timeouts.open_s);
	client_wire_deadline(r->wire, t->timeouts.connect_s);
	if (client_wire_connect(r->wire, at, socket_address_length(at)) == -1)
		return remote_fail(
		    r, REMOTE_TEMPORARY, "cannot be reached: %s", client_wire_why(r->wire));
	if (t->tls == REMOTE_TLS_IMPLICIT && remote_handshake(r) != REMOTE_OK)
		return r->end;
	return r->ops->open(r);
}

enum remote_end
remote_open(struct remote *r)
{
	const struct remote_target *t = r->target;

	r->end = REMOTE_OK;
	if (t->n_addresses == 0)
		return remote_fail(r, REMOTE_TEMPORARY, "has no address");
	if ((t->password == NULL) == (t->token == NULL) || t->user == NULL)
		return remote_fail(
		    r, REMOTE_PERMANENT, "there is no user, or not one password or token");
	/* Where a login was tried, another address would count it as one more. */
	for (size_t i = 0; i < t->n_addresses; i++)
		if (open_at(r, &t->addresses[i]) != REMOTE_TEMPORARY || r->seen_a_login)
			break;
	if (r->end != REMOTE_OK)
		return r->end;
	r->is_open = true;
	client_wire_limit(r->wire, UINT64_MAX);
	return REMOTE_OK;
}

enum remote_end
remote_quit(struct remote **rp, char *why)
{
	struct remote *r = *rp;
	enum remote_end end;

	if (r == NULL)
		return REMOTE_OK;
	if (r->end == REMOTE_OK && r->is_open) {
		client_wire_limit(r->wire, r->target->timeouts.quit_s);
		(void)r->ops->quit(r);
	} else if (r->end == REMOTE_OK) {
		remote_fail(r, REMOTE_TEMPORARY, "is not open");
	}
	end = r->end;
	if (why != NULL)
		strlcpy(why, end == REMOTE_OK ? "" : r->why, REMOTE_WHY_SIZE);
	remote_free(rp);
	return end;
}

/* ---- what needs a session ---- */

/* Handles of one call; nothing that a caller gets wrong reaches the server. */
static bool
are_handles(const uint32_t *handles, size_t n)
{
	if (n == 0 || n > REMOTE_BATCH_MAX || handles[0] == 0)
		return false;
	for (size_t i = 1; i < n; i++)
		if (handles[i] <= handles[i - 1])
			return false;
	return true;
}

static enum remote_end
begin(struct remote *r)
{
	if (r->end == REMOTE_OK && !r->is_open)
		return remote_fail(r, REMOTE_TEMPORARY, "is not open");
	return r->end;
}

static enum remote_end
begin_with(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	if (done != NULL)
		memset(done, 0, n * sizeof *done);
	if (begin(r) != REMOTE_OK)
		return r->end;
	if (!are_handles(handles, n))
		return remote_fail(r, REMOTE_PERMANENT, "is asked for messages that are none");
	return REMOTE_OK;
}

enum remote_end
remote_folders(
    struct remote *r, const char *const *patterns, size_t n, remote_folder_cb cb, void *arg)
{
	return begin(r) != REMOTE_OK ? r->end : r->ops->folders(r, patterns, n, cb, arg);
}

enum remote_end
remote_select(struct remote *r, const char *name, bool change, struct remote_folder *out)
{
	*out = (struct remote_folder){0};
	return begin(r) != REMOTE_OK ? r->end : r->ops->select(r, name, change, out);
}

enum remote_end
remote_list(struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n)
{
	*n = 0;
	if (max > REMOTE_BATCH_MAX)
		max = REMOTE_BATCH_MAX;
	return begin(r) != REMOTE_OK ? r->end : r->ops->list(r, after, out, max, n);
}

enum remote_end
remote_fetch(struct remote *r, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink)
{
	if (begin_with(r, handles, n, NULL) != REMOTE_OK)
		return r->end;
	return r->ops->fetch(r, handles, n, max_size, sink);
}

enum remote_end
remote_fetch_header(
    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink)
{
	if (begin_with(r, &handle, 1, NULL) != REMOTE_OK)
		return r->end;
	return r->ops->fetch_header(r, handle, max_size, sink);
}

enum remote_end
remote_delete(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	if (begin_with(r, handles, n, done) != REMOTE_OK)
		return r->end;
	return r->ops->remove(r, handles, n, done);
}

enum remote_end
remote_mark_seen(struct remote *r, const uint32_t *handles, size_t n, bool *done)
{
	if (begin_with(r, handles, n, done) != REMOTE_OK)
		return r->end;
	return r->ops->mark_seen(r, handles, n, done);
}

enum remote_end
remote_move(struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done)
{
	if (begin_with(r, handles, n, done) != REMOTE_OK)
		return r->end;
	return r->ops->move(r, handles, n, folder, done);
}

enum remote_end
remote_wait(struct remote *r, const char *const *names, size_t n, int fd, uint64_t seconds,
    enum remote_news *news)
{
	*news = REMOTE_CANNOT_WAIT;
	return begin(r) != REMOTE_OK ? r->end : r->ops->wait(r, names, n, fd, seconds, news);
}
