/*
 * Streams on socket pairs and on loopback TCP: what is given again, pausing, output that is not
 * read, TLS and what may not precede it, every end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/memory.h"
#include "common/settings.h"
#include "common/stream.h"
#include "common/tls.h"

enum { LIMIT = 4096, BIG = 4 * 1024 * 1024, ENDLESS = 1000000 };

static struct event_base *base;

/* One connection, as a program would have it, and the other side. */
static struct side {
	struct stream *stream;
	int peer;
	char got[65536];
	size_t n, gave; /* bytes consumed; bytes of the last call */
	unsigned calls, drained, tls, ends;
	enum stream_end why;
	/* what on_bytes() does */
	size_t (*reader)(struct span bytes);
	SSL_CTX *ctx;
	bool endless; /* on_drained() wants more */
} side;

static size_t
on_bytes(void *arg, struct span bytes)
{
	size_t n;

	assert_ptr_equal(arg, &side);
	side.calls++;
	side.gave = bytes.len;
	n = side.reader != NULL ? side.reader(bytes) : bytes.len;
	if (side.stream == NULL)
		return n;
	assert_true(side.n + n <= sizeof side.got);
	memcpy(side.got + side.n, bytes.at, n);
	side.n += n;
	return n;
}

static void
on_drained(void *arg)
{
	(void)arg;
	side.drained++;
	if (side.endless && side.drained < ENDLESS)
		stream_want_drained(side.stream);
}

static void
on_tls(void *arg)
{
	(void)arg;
	side.tls++;
}

static void
on_end(void *arg, enum stream_end why)
{
	(void)arg;
	side.ends++;
	side.why = why;
	stream_free(&side.stream);
}

static const struct stream_ops ops = {
    .on_bytes = on_bytes, .on_drained = on_drained, .on_tls = on_tls, .on_end = on_end};

static void
turn(void)
{
	for (int i = 0; i < 5; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
start(void **state)
{
	int pair[2];

	(void)state;
	memset(&side, 0, sizeof side);
	base = event_base_new(); /* its own: a failure jumps out of the loop */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	side.peer = pair[1];
	side.stream = stream_new(base, pair[0], NULL, LIMIT, &ops, &side);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	stream_free(&side.stream);
	closefd(&side.peer);
	SSL_CTX_free(side.ctx);
	event_base_free(base);
	return 0;
}

static void
say(const char *text)
{
	assert_int_equal(write(side.peer, text, strlen(text)), strlen(text));
	turn();
}

static void
assert_heard(const char *text)
{
	char heard[4096] = "";
	ssize_t n = read(side.peer, heard, sizeof heard - 1);

	assert_string_equal(n > 0 ? heard : "", text);
}

/* ---- input ---- */

/* Whole lines only. */
static size_t
read_lines(struct span bytes)
{
	const char *end = memrchr(bytes.at, '\n', bytes.len);

	return end != NULL ? end + 1 - bytes.at : 0;
}

static void
a_rest_is_given_again(void **state)
{
	static const char text[] = "one\ntwo\n\nthree\n";

	(void)state;
	side.reader = read_lines;
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		side.n = 0;
		assert_int_equal(write(side.peer, text, cut), cut);
		turn();
		assert_int_equal(
		    write(side.peer, text + cut, strlen(text) - cut), strlen(text) - cut);
		turn();
		assert_int_equal(side.n, strlen(text));
		assert_memory_equal(side.got, text, strlen(text));
	}
	side.n = 0;
	for (size_t i = 0; i < strlen(text); i++)
		say((char[]){text[i], '\0'});
	assert_memory_equal(side.got, text, strlen(text));
}

static size_t
read_nothing(struct span bytes)
{
	(void)bytes;
	return 0;
}

static void
a_reader_that_leaves_too_much_is_ended(void **state)
{
	char *much = xcalloc(1, LIMIT + 1);

	(void)state;
	side.reader = read_nothing;
	assert_int_equal(write(side.peer, much, LIMIT + 1), LIMIT + 1);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_RESET);
	assert_int_equal(side.gave, LIMIT);
	free(much);
}

static size_t
read_one_and_pause(struct span bytes)
{
	(void)bytes;
	stream_pause(side.stream);
	return 1;
}

static void
paused_is_not_read(void **state)
{
	(void)state;
	side.reader = read_one_and_pause;
	say("abc");
	assert_int_equal(side.n, 1);
	say("de");
	assert_int_equal(side.calls, 1);
	for (unsigned i = 2; i <= 5; i++) {
		stream_resume(side.stream);
		assert_int_equal(side.n, i - 1); /* from the loop only */
		turn();
		assert_int_equal(side.n, i);
	}
	assert_memory_equal(side.got, "abcde", 5);
	stream_resume(side.stream);
	turn();
	assert_int_equal(side.n, 5);
	assert_int_equal(side.ends, 0);
}

static size_t
read_and_free(struct span bytes)
{
	stream_printf(side.stream, "bye %zu", bytes.len);
	stream_free(&side.stream);
	return 1000000; /* ignored */
}

static void
may_be_freed_in_on_bytes(void **state)
{
	(void)state;
	side.reader = read_and_free;
	assert_int_equal(write(side.peer, "x", 1), 1);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_null(side.stream);
	assert_int_equal(side.ends, 0);
	assert_heard(""); /* without flushing */
}

/* ---- ends ---- */

static size_t
answer(struct span bytes)
{
	stream_printf(side.stream, "<%.*s>", (int)bytes.len, bytes.at);
	return bytes.len;
}

static void
end_of_input_comes_after_the_answer(void **state)
{
	(void)state;
	side.reader = answer;
	assert_int_equal(write(side.peer, "last", 4), 4);
	shutdown(side.peer, SHUT_WR);
	turn();
	assert_heard("<last>");
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_EOF);
}

static void
end_of_input_waits_for_unread_output(void **state)
{
	char *much = xcalloc(1, BIG);
	size_t got = 0;
	ssize_t n;

	(void)state;
	stream_write(side.stream, (struct span){much, BIG});
	shutdown(side.peer, SHUT_WR);
	turn();
	assert_int_equal(side.ends, 0);
	while (side.ends == 0) {
		while ((n = read(side.peer, much, BIG)) > 0)
			got += n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	while ((n = read(side.peer, much, BIG)) > 0)
		got += n;
	assert_int_equal(got, BIG);
	assert_int_equal(side.why, STREAM_EOF);
	free(much);
}

static void
end_of_input_while_paused_comes_after_the_rest(void **state)
{
	(void)state;
	side.reader = read_one_and_pause;
	say("ab");
	shutdown(side.peer, SHUT_WR);
	turn();
	assert_int_equal(side.ends, 0);
	stream_resume(side.stream);
	turn();
	assert_int_equal(side.n, 2);
	assert_int_equal(side.ends, 0);
	stream_resume(side.stream);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_EOF);
}

static void
writing_to_a_closed_connection_ends_it_from_the_loop(void **state)
{
	(void)state;
	stream_pause(side.stream);
	closefd(&side.peer);
	stream_write(side.stream, span_of("hello"));
	assert_int_equal(side.ends, 0);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_RESET);
}

static void
deadline(void **state)
{
	(void)state;
	stream_deadline(side.stream, 1);
	stream_deadline(side.stream, 0);
	turn();
	stream_deadline(side.stream, 1);
	while (side.ends == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(side.why, STREAM_TIMEOUT);
}

static void
finishing_sends_all_and_half_closes(void **state)
{
	char *much = xmalloc(BIG);
	size_t got = 0;
	ssize_t n;

	(void)state;
	memset(much, 'm', BIG);
	stream_write(side.stream, (struct span){much, BIG});
	stream_write(side.stream, span_of("."));
	stream_finish(side.stream);
	stream_write(side.stream, span_of("too late"));
	do {
		event_base_loop(base, EVLOOP_NONBLOCK);
		while ((n = read(side.peer, much, BIG)) > 0) {
			got += n;
			assert_true(got <= BIG || much[n - 1] == '.');
		}
	} while (n != 0);
	assert_int_equal(got, BIG + 1);
	assert_int_equal(side.ends, 0); /* the other side has its word */
	say("still talking");
	assert_int_equal(side.calls, 0);
	closefd(&side.peer);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_EOF);
	free(much);
}

static void
finishing_does_not_wait_for_ever(void **state)
{
	(void)state;
	stream_write(side.stream, span_of("221"));
	stream_finish(side.stream);
	while (side.ends == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_heard("221");
	assert_int_equal(side.why, STREAM_EOF);
}

/* ---- output ---- */

static size_t
write_twice(struct span bytes)
{
	stream_write(side.stream, span_of("first "));
	assert_int_equal(stream_pending(side.stream), 6);
	stream_printf(side.stream, "second %d", 2);
	return bytes.len;
}

static void
an_event_sends_once(void **state)
{
	int pair[2];

	(void)state;
	/* Message boundaries show how often it was sent. */
	stream_free(&side.stream);
	closefd(&side.peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	side.peer = pair[1];
	side.stream = stream_new(base, pair[0], NULL, LIMIT, &ops, &side);
	side.reader = write_twice;
	say("x");
	assert_heard("first second 2");
	assert_heard("");
	assert_int_equal(stream_pending(side.stream), 0);
}

static void
drained_is_told_once_and_from_the_loop(void **state)
{
	char *much = xcalloc(1, BIG);

	(void)state;
	stream_want_drained(side.stream);
	assert_int_equal(side.drained, 0);
	turn();
	assert_int_equal(side.drained, 1);
	stream_write(side.stream, (struct span){much, BIG});
	stream_want_drained(side.stream);
	turn();
	assert_int_equal(side.drained, 1);
	assert_true(stream_pending(side.stream) > 0);
	while (side.drained == 1) {
		while (read(side.peer, much, BIG) > 0)
			;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	turn();
	assert_int_equal(side.drained, 2);
	assert_int_equal(stream_pending(side.stream), 0);
	free(much);
}

/* ---- the other side's address ---- */

static void
addresses(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_string_equal(stream_peer_text(side.stream), "local");
	assert_true(stream_peer_is_loopback(side.stream));
	stream_free(&side.stream);
	closefd(&side.peer);
	assert_int_equal(bind(listening, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(listening, 5), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&a, &len), 0);
	side.peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(side.peer, (struct sockaddr *)&a, len), 0);
	side.stream = stream_new(base, accept(listening, NULL, NULL), NULL, LIMIT, &ops, &side);
	close(listening);
	assert_string_equal(stream_peer_text(side.stream), "127.0.0.1");
	assert_true(stream_peer_is_loopback(side.stream));
	assert_int_equal(stream_peer(side.stream)->sa_family, AF_INET);
}

/* Of a client that has reset the connection the kernel knows no more than what accept() said. */
static void
address_of_accept(void **state)
{
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207)};
	int pair[2];

	(void)state;
	stream_free(&side.stream);
	closefd(&side.peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	side.peer = pair[1];
	side.stream = stream_new(base, pair[0], (const struct sockaddr *)&a, LIMIT, &ops, &side);
	assert_string_equal(stream_peer_text(side.stream), "192.0.2.7");
	assert_false(stream_peer_is_loopback(side.stream));
	assert_int_equal(stream_peer(side.stream)->sa_family, AF_INET);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	*(unsigned *)arg = side.drained;
}

/* Who always has more to send lets others have their turn, timers too. */
static void
endless_output_does_not_stop_the_loop(void **state)
{
	struct event *timer;
	unsigned at = 0;

	(void)state;
	timer = event_new(base, -1, EV_TIMEOUT, on_timer, &at);
	side.endless = true;
	stream_want_drained(side.stream);
	event_add(timer, &(struct timeval){0, 1});
	while (at == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_in_range(at, 1, ENDLESS - 1);
	side.endless = false;
	event_free(timer);
}

/* ---- TLS ---- */

static char certificate_pem[4096], key_pem[4096];

static void
print_pem(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, size - 1);

	assert_true(n > 0);
	out[n] = '\0';
	BIO_free(bio);
}

static int
make_certificate(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *bio;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, key, EVP_sha256());
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	print_pem(bio, certificate_pem, sizeof certificate_pem);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	print_pem(bio, key_pem, sizeof key_pem);
	X509_free(x);
	EVP_PKEY_free(key);
	return 0;
}

static SSL_CTX *
context(const char *chain, const char *key, const char *minimum)
{
	struct settings *s = settings_new();
	SSL_CTX *ctx;

	settings_add(s, "tls", "Certificate PEM", chain);
	settings_add(s, "tls", "Private Key PEM", key);
	settings_add(s, "tls", "Minimum Version", minimum);
	ctx = tls_server_context(s, NULL);
	settings_free(&s);
	return ctx;
}

static void
contexts(void **state)
{
	char other[4096], twice[8192];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	SSL_CTX *ctx;

	(void)state;
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	print_pem(bio, other, sizeof other);
	EVP_PKEY_free(key);
	snprintf(twice, sizeof twice, "%s%s", certificate_pem, certificate_pem);
	const struct {
		const char *chain, *key;
		bool good;
	} rows[] = {
	    {certificate_pem, key_pem, true},
	    {twice, key_pem, true},
	    {"", key_pem, false},
	    {certificate_pem, "", false},
	    {certificate_pem, other, false},
	    {key_pem, certificate_pem, false},
	    {"nonsense", "nonsense", false},
	};
	for (size_t i = 0; i < nitems(rows); i++) {
		ctx = context(rows[i].chain, rows[i].key, "TLSv1.2");
		assert_int_equal(ctx != NULL, rows[i].good);
		SSL_CTX_free(ctx);
	}
}

/* A client on the other side; its socket does not block. */
static SSL *
tls_client(SSL_CTX **ctx)
{
	SSL *ssl;

	*ctx = SSL_CTX_new(TLS_client_method());
	ssl = SSL_new(*ctx);
	SSL_set_fd(ssl, side.peer);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void
shake_hands(SSL *ssl)
{
	for (int i = 0; i < 20 && SSL_do_handshake(ssl) != 1; i++)
		turn();
	assert_true(SSL_is_init_finished(ssl));
	turn();
}

static size_t
start_tls(struct span bytes)
{
	if (stream_has_tls(side.stream))
		return answer(bytes);
	stream_write(side.stream, span_of("220"));
	if (stream_start_tls(side.stream, side.ctx, 8) == -1)
		stream_write(side.stream, span_of(" not"));
	return bytes.len;
}

static void
tls_after_clear(void **state)
{
	char text[64] = "";
	SSL_CTX *ctx;
	SSL *ssl;

	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.3");
	side.reader = start_tls;
	assert_string_equal(stream_tls_version(side.stream), "");
	say("STARTTLS");
	assert_heard("220");
	ssl = tls_client(&ctx);
	shake_hands(ssl);
	assert_int_equal(side.tls, 1);
	assert_string_equal(stream_tls_version(side.stream), "TLSv1.3");
	assert_true(strlen(stream_tls_cipher(side.stream)) > 0);
	assert_int_equal(SSL_write(ssl, "hi", 2), 2);
	turn();
	assert_int_equal(SSL_read(ssl, text, sizeof text), 4);
	assert_string_equal(text, "<hi>");
	assert_int_equal(stream_start_tls(side.stream, side.ctx, 100), -1);
	SSL_shutdown(ssl);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_EOF);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
what_precedes_the_handshake_is_refused(void **state)
{
	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	side.reader = start_tls;
	say("STARTTLSinjected");
	assert_heard("220 not");
	assert_int_equal(side.tls, 0);
	assert_false(stream_has_tls(side.stream));
}

/* Sent before the 220 was read, but in a packet of its own: it is no ClientHello. */
static void
injection_in_a_packet_of_its_own(void **state)
{
	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	side.reader = start_tls;
	say("STARTTLS");
	say("MAIL FROM:<x@test>\r\n");
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_TLS_FAILED);
	assert_int_equal(side.n, 8);
}

static void
much_inside_tls(void **state)
{
	char *much = xmalloc(BIG), piece[16384];
	size_t got = 0, sent = 0;
	SSL_CTX *ctx;
	SSL *ssl;

	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	assert_int_equal(stream_start_tls(side.stream, side.ctx, 0), 0);
	ssl = tls_client(&ctx);
	shake_hands(ssl);
	for (size_t i = 0; i < BIG; i++)
		much[i] = i * 7 + i / 251;
	stream_write(side.stream, (struct span){much, BIG});
	stream_want_drained(side.stream);
	while (got < BIG) {
		int n = SSL_read(ssl, piece, sizeof piece);

		event_base_loop(base, EVLOOP_NONBLOCK);
		if (n <= 0)
			continue;
		assert_memory_equal(piece, much + got, n);
		got += n;
	}
	turn();
	assert_int_equal(side.drained, 1);
	/* And the other way: in pieces of more than the input limit. */
	while (sent < 3 * sizeof piece) {
		int n = SSL_write(ssl, much + sent, sizeof piece);

		sent += n > 0 ? n : 0;
		turn();
	}
	assert_int_equal(side.n, sent);
	assert_memory_equal(side.got, much, sent);
	stream_write(side.stream, span_of("bye"));
	stream_finish(side.stream);
	turn();
	assert_int_equal(SSL_read(ssl, piece, sizeof piece), 3);
	assert_int_equal(SSL_read(ssl, piece, sizeof piece), 0);
	assert_int_equal(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	free(much);
}

/* Paused in the middle of what one record brought: the rest comes without another packet. */
static void
paused_inside_tls(void **state)
{
	char big[LIMIT * 2];
	SSL_CTX *ctx;
	SSL *ssl;

	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	assert_int_equal(stream_start_tls(side.stream, side.ctx, 0), 0);
	ssl = tls_client(&ctx);
	shake_hands(ssl);
	memset(big, 'b', sizeof big);
	stream_pause(side.stream);
	assert_int_equal(SSL_write(ssl, big, sizeof big), sizeof big);
	turn();
	assert_int_equal(side.calls, 0);
	stream_resume(side.stream);
	turn();
	assert_int_equal(side.n, sizeof big);
	side.reader = read_one_and_pause;
	assert_int_equal(SSL_write(ssl, "xyz", 3), 3);
	for (int i = 1; i <= 3; i++) {
		turn();
		assert_int_equal(side.n, sizeof big + i);
		stream_resume(side.stream);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* A record as long as records may be, and at once the end. */
static void
end_behind_a_full_record(void **state)
{
	char record[16384];
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *together = BIO_new(BIO_f_buffer());

	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	assert_int_equal(stream_start_tls(side.stream, side.ctx, 0), 0);
	ssl = tls_client(&ctx);
	shake_hands(ssl);
	memset(record, 'r', sizeof record);
	BIO_set_write_buffer_size(together, 65536);
	BIO_push(together, BIO_new_socket(side.peer, BIO_NOCLOSE));
	SSL_set0_wbio(ssl, together);
	assert_int_equal(SSL_write(ssl, record, sizeof record), sizeof record);
	SSL_shutdown(ssl);
	assert_int_equal(BIO_flush(together), 1);
	turn();
	assert_int_equal(side.n, sizeof record);
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_EOF);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
a_cut_connection_inside_tls_is_no_end_of_input(void **state)
{
	SSL_CTX *ctx;
	SSL *ssl;

	(void)state;
	side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
	assert_int_equal(stream_start_tls(side.stream, side.ctx, 0), 0);
	ssl = tls_client(&ctx);
	shake_hands(ssl);
	closefd(&side.peer);
	turn();
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.why, STREAM_RESET);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
broken_handshakes(void **state)
{
	static const char *const rows[] = {
	    "EHLO x\r\n", "\x16\x03\x01\xff\xff garbage", "\x80\x2e\x01\x03\x01"};

	for (size_t i = 0; i < nitems(rows); i++) {
		end(state);
		assert_int_equal(start(state), 0);
		side.ctx = context(certificate_pem, key_pem, "TLSv1.2");
		assert_int_equal(stream_start_tls(side.stream, side.ctx, 0), 0);
		say(rows[i]);
		closefd(&side.peer);
		turn();
		assert_int_equal(side.ends, 1);
		assert_int_equal(side.why, STREAM_TLS_FAILED);
		assert_int_equal(side.calls, 0);
	}
}

#define test(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    test(a_rest_is_given_again),
	    test(a_reader_that_leaves_too_much_is_ended),
	    test(paused_is_not_read),
	    test(may_be_freed_in_on_bytes),
	    test(end_of_input_comes_after_the_answer),
	    test(end_of_input_waits_for_unread_output),
	    test(end_of_input_while_paused_comes_after_the_rest),
	    test(writing_to_a_closed_connection_ends_it_from_the_loop),
	    test(deadline),
	    test(finishing_sends_all_and_half_closes),
	    test(finishing_does_not_wait_for_ever),
	    test(an_event_sends_once),
	    test(drained_is_told_once_and_from_the_loop),
	    test(addresses),
	    test(address_of_accept),
	    test(endless_output_does_not_stop_the_loop),
	    test(contexts),
	    test(tls_after_clear),
	    test(what_precedes_the_handshake_is_refused),
	    test(injection_in_a_packet_of_its_own),
	    test(much_inside_tls),
	    test(paused_inside_tls),
	    test(end_behind_a_full_record),
	    test(a_cut_connection_inside_tls_is_no_end_of_input),
	    test(broken_handshakes),
	};

	return cmocka_run_group_tests(tests, make_certificate, NULL);
}
