/*
 * A stream's transport inside TLS: OpenSSL on the connection's own socket. Called by stream.c only.
 */
#include <errno.h>
#include <openssl/err.h>

#include "common/stream_private.h"

/* Larger pieces would be cut by the record layer anyway (RFC 8446 5.1). */
enum { RECORD_MAX_BYTES = 16384 };

static ssize_t
outcome(struct stream *s, int n)
{
	int error = SSL_get_error(s->ssl, n), saved = errno;
	unsigned long reason = ERR_peek_error();

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TRANSPORT_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return TRANSPORT_END;
	case SSL_ERROR_SYSCALL:
		errno = saved;
		return TRANSPORT_RESET;
	default:
		/* A connection that ends without close_notify was cut off. */
		if (ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return TRANSPORT_RESET;
		return TRANSPORT_TLS_FAILED;
	}
}

ssize_t
stream_tls_read(struct stream *s, char *out, size_t size)
{
	size_t done = 0;

	ERR_clear_error();
	while (done < size) {
		size_t n;

		if (SSL_read_ex(s->ssl, out + done, size - done, &n) != 1) {
			/* What came before an error is given first; the error comes again. */
			ssize_t no = done == 0 ? outcome(s, 0) : 0;

			ERR_clear_error();
			return done > 0 ? (ssize_t)done : no;
		}
		done += n;
		if (SSL_pending(s->ssl) == 0)
			break; /* of a further record, or an end, the socket will tell */
	}
	return done;
}

ssize_t
stream_tls_write(struct stream *s, struct span bytes)
{
	size_t done = 0;

	ERR_clear_error();
	while (done < bytes.len) {
		size_t n = bytes.len - done;

		if (n > RECORD_MAX_BYTES)
			n = RECORD_MAX_BYTES;
		if (SSL_write_ex(s->ssl, bytes.at + done, n, &n) != 1) {
			ssize_t no = outcome(s, 0);

			return done > 0 ? (ssize_t)done : no;
		}
		done += n;
	}
	return done;
}

ssize_t
stream_tls_handshake(struct stream *s)
{
	ssize_t no;
	int n;

	ERR_clear_error();
	if ((n = SSL_do_handshake(s->ssl)) == 1)
		return 0;
	no = outcome(s, n);
	return no == TRANSPORT_WAIT ? no : TRANSPORT_TLS_FAILED;
}

void
stream_tls_shutdown(struct stream *s)
{
	ERR_clear_error();
	(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
}

bool
stream_tls_has_more(const struct stream *s)
{
	return SSL_pending(s->ssl) > 0;
}
