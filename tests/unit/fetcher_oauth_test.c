/*
 * A token for a mailbox, from endpoints that give one and endpoints that do not.
 */
#define SERVER_GREETING ""
#include "tests/unit/common_peer_support.h"

#include "tests/unit/fetcher_support.h"

#include "fetcher/oauth.h"

static size_t content_length;

static inline void
server_command(struct server *v, struct span line)
{
	static const char length[] = "Content-Length: ";

	if (line.len > strlen(length) && memcmp(line.at, length, strlen(length)) == 0)
		content_length = strtoul(line.at + strlen(length), NULL, 10);
	if (line.len > 0)
		return;
	v->body_len = 0;
	if (!server_bytes(v, content_length))
		return;
	server_reply(v, "POST",
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 56\r\n\r\n"
	    "{\"access_token\":\"" TOKEN "\",\"expires_in\":3599, \"x\":[1]}");
	v->gone = true;
}

static const struct {
	const char *text, *host;
	uint16_t port;
	const char *path; /* NULL: it is none */
} urls[] = {
    {"https://oauth2.example/token", "oauth2.example", 443, "/token"},
    {"HTTPS://a:8443/b/c?d=e", "a", 8443, "/b/c?d=e"},
    {"https://a", "a", 443, "/"},
    {"http://a/b", NULL, 0, NULL},
    {"https:///b", NULL, 0, NULL},
    {"https://a:0/b", NULL, 0, NULL},
    {"https://a:65536/b", NULL, 0, NULL},
    {"https://a:/b", NULL, 0, NULL},
    {"https://u@a/b", NULL, 0, NULL},
    {"https://a/b c", NULL, 0, NULL},
    {"https://a/b\r\nX: y", NULL, 0, NULL},
    {"https://a/b#c", NULL, 0, NULL},
    {"https://", NULL, 0, NULL},
    {"", NULL, 0, NULL},
};

static void
test_urls(void **state)
{
	struct oauth_url url;

	(void)state;
	for (size_t i = 0; i < nitems(urls); i++) {
		if (oauth_url_parse(span_of(urls[i].text), &url) != (urls[i].path != NULL))
			fail_msg("%s", urls[i].text);
		if (urls[i].path == NULL)
			continue;
		assert_string_equal(url.host, urls[i].host);
		assert_int_equal(url.port, urls[i].port);
		assert_string_equal(url.path, urls[i].path);
	}
}

static char trace_text[10000];

static void
on_line(void *arg, enum remote_trace what, struct span line)
{
	(void)arg, (void)what;
	snprintf(trace_text + strlen(trace_text), sizeof trace_text - strlen(trace_text), "%.*s\n",
	    (int)line.len, line.at);
}

static enum remote_end
refresh(struct server *v, const struct rule *rule, const struct identity *id, bool hurry,
    struct oauth_token *token, char why[REMOTE_WHY_SIZE])
{
	struct sockaddr_storage at = {0};
	struct oauth_url url = {"pop.example", 443, "/token"};
	struct oauth_target t = {.url = &url,
	    .addresses = &at,
	    .n_addresses = 1,
	    .context = client,
	    .client_id = "id&1",
	    .client_secret = "s3cret+",
	    .refresh_token = "1//r3fresh=",
	    .timeouts = remote_timeouts_default,
	    .trace = on_line};
	enum remote_end end;

	*v = (struct server){.rules = rule, .n_rules = rule != NULL, .implicit_tls = true};
	v->tls = identity_context(id, NULL);
	trace_text[0] = '\0';
	if (hurry)
		t.timeouts.auth_s = t.timeouts.tls_s = t.timeouts.open_s = 1;
	server_start(v);
	memcpy(&at, &v->address, sizeof v->address);
	end = oauth_refresh(&t, token, why);
	server_stop(v);
	SSL_CTX_free(v->tls);
	assert_null(strstr(trace_text, "s3cret"));
	assert_null(strstr(trace_text, "fresh"));
	assert_null(strstr(why, TOKEN));
	return end;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
	struct rule rule;
	enum remote_end end;
	const char *why; /* or the access token */
} answers[] = {
    {{"POST", SAY, OK_HEAD "\r\n{\"access_token\":\"abc\"}", 0, 0}, REMOTE_OK, "abc"},
    {{"POST", SAY, "HTTP/1.0 200 OK\r\n\r\n{\"access_token\":\"abc\"}", 0, 0}, REMOTE_OK, "abc"},
    {{"POST", SAY,
	 OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
		 "10;x=y\r\n{\"access_token\":\r\n6\r\n\"abc\"}\r\n0\r\n\r\n",
	 0, 0},
	REMOTE_OK, "abc"},
    {{"POST", SAY, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 0, 0}, REMOTE_TEMPORARY,
	"no HTTP"},
    {{"POST", SAY, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 0, 0},
	REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", SAY, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n", 0, 0},
	REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", SAY, OK_HEAD "Content-Length: 99999999\r\n\r\n", 0, 0}, REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", SAY, OK_HEAD "Content-Length: 50\r\n\r\n{", 0, 0}, REMOTE_TEMPORARY, "closed"},
    {{"POST", SAY, OK_HEAD "\r\n{\"access_token\":\"a b\"}", 0, 0}, REMOTE_TEMPORARY, "no token"},
    {{"POST", SAY, OK_HEAD "\r\n{\"access_token\":5}", 0, 0}, REMOTE_TEMPORARY, "no token"},
    {{"POST", SAY, OK_HEAD "\r\n{\"access_token\":\"\"}", 0, 0}, REMOTE_TEMPORARY, "no token"},
    {{"POST", SAY, OK_HEAD "\r\n[[[[", 0, 0}, REMOTE_TEMPORARY, "no token"},
    {{"POST", SAY, OK_HEAD "\r\n", 0, 0}, REMOTE_TEMPORARY, "no token"},
    {{"POST", SAY,
	 "HTTP/1.1 400 "
	 "Bad\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"re\\nvoked\"}",
	 0, 0},
	REMOTE_LOGIN_REFUSED, "re?voked"},
    {{"POST", SAY, "HTTP/1.1 401 No\r\n\r\n{\"error\":\"invalid_client\"}", 0, 0}, REMOTE_PERMANENT,
	"invalid_client"},
    {{"POST", SAY, "HTTP/1.1 404 No\r\n\r\n", 0, 0}, REMOTE_PERMANENT, "404"},
    {{"POST", SAY, "HTTP/1.1 429 No\r\n\r\n{\"error\":\"x\"}", 0, 0}, REMOTE_TEMPORARY, "429"},
    {{"POST", SAY, "HTTP/1.1 503 No\r\n\r\n", 0, 0}, REMOTE_TEMPORARY, "503"},
    {{"POST", SAY, "HTTP/2 200\r\n\r\n", 0, 0}, REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", SAY, "220 smtp\r\n", 0, 0}, REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, "closed"},
    {{"POST", SILENT, NULL, 0, 0}, REMOTE_TEMPORARY, "timed out"},
    {{"POST", FLOOD, "HTTP/1.1 200 OK\r\n", 0, 0}, REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", FLOOD, OK_HEAD "\r\nxxxxxxxxxxxxxxxxxxxxxx", 0, 0}, REMOTE_TEMPORARY, "no HTTP"},
    {{"POST", FLOOD, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, 0}, REMOTE_TEMPORARY, "too long"},
    {{"tls", DROP, NULL, 0, 0}, REMOTE_TEMPORARY, NULL},
};

static void
test_answers(void **state)
{
	static struct server v;
	struct oauth_token token;
	char why[REMOTE_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < nitems(answers); i++) {
		enum remote_end end = refresh(
		    &v, &answers[i].rule, &good, answers[i].rule.act == SILENT, &token, why);

		if (end != answers[i].end ||
		    (answers[i].why != NULL &&
			strstr(end == REMOTE_OK ? token.access : why, answers[i].why) == NULL))
			fail_msg("%zu: %d %s", i, end, why);
	}
}

static void
test_request(void **state)
{
	static struct server v;
	static const char form[] = "grant_type=refresh_token&refresh_token=1%2F%2Fr3fresh%3D"
				   "&client_id=id%261&client_secret=s3cret%2B";
	struct oauth_token token;
	char why[REMOTE_WHY_SIZE];

	(void)state;
	assert_int_equal(refresh(&v, NULL, &good, false, &token, why), REMOTE_OK);
	assert_string_equal(token.access, TOKEN);
	assert_string_equal(token.refresh, "");
	assert_int_equal(token.expires_s, 3599);
	assert_int_equal(v.body_len, strlen(form));
	assert_memory_equal(v.body, form, strlen(form));
	assert_int_equal(strncmp(v.heard, "POST /token HTTP/1.1\r\nHost: pop.example\r\n", 41), 0);
}

static void
test_certificates(void **state)
{
	const struct identity *const wrong[] = {&other, &expired, &self};
	static struct server v;
	struct oauth_token token;
	char why[REMOTE_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < nitems(wrong); i++) {
		assert_int_equal(refresh(&v, NULL, wrong[i], false, &token, why), REMOTE_PERMANENT);
		assert_int_equal(v.heard_len, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_urls),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_certificates),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
