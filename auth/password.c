/*
 * Hashing passwords in threads.
 */
#include "auth/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "auth/account.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/worker.h"

enum { THREADS_MAX = 64 };
static const char method[] = "$y$"; /* yescrypt; crypt_gensalt(3) knows what it should cost */

struct passwords {
	struct event_base *base;
	struct worker *threads[THREADS_MAX];
	size_t n_threads;
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE]; /* a salt that nothing has the hash of */
};

struct task {
	struct job job; /* must be first */
	password_checked_cb on_checked;
	password_hashed_cb on_hashed;
	void *arg;
	char hash[ACCOUNT_HASH_SIZE]; /* compared with; or the salt, then the new one */
	bool is_nobody, is_unfit;
	char password[ACCOUNT_PASSWORD_MAX_BYTES + 1];
	enum password_outcome outcome;
	struct crypt_data crypt;
};

/* ---- in a thread ---- */

static bool
is_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

static void
work_check(struct job *job)
{
	struct task *t = (struct task *)job;
	const char *hash = crypt_rn(t->password, t->hash, &t->crypt, sizeof t->crypt);

	if (hash == NULL)
		t->outcome = PASSWORD_UNUSABLE;
	else if (is_equal(hash, t->hash) && !t->is_nobody && !t->is_unfit)
		t->outcome = PASSWORD_RIGHT;
	else
		t->outcome = PASSWORD_WRONG;
}

static void
work_hash(struct job *job)
{
	struct task *t = (struct task *)job;
	const char *hash = crypt_rn(t->password, t->hash, &t->crypt, sizeof t->crypt);

	if (hash == NULL || strlcpy(t->hash, hash, sizeof t->hash) >= sizeof t->hash)
		t->hash[0] = '\0';
}

/* ---- in the loop ---- */

static void
free_task(struct task *t)
{
	explicit_bzero(t, sizeof *t);
	free(t);
}

static void
done_check(struct job *job)
{
	struct task *t = (struct task *)job;

	t->on_checked(t->arg, t->outcome, span_of(t->is_nobody ? "" : t->hash));
	free_task(t);
}

static void
done_hash(struct job *job)
{
	struct task *t = (struct task *)job;

	t->on_hashed(t->arg, t->hash[0] != '\0' ? t->hash : NULL);
	free_task(t);
}

static void
push(struct passwords *p, struct task *t, bool urgent)
{
	struct worker *best = p->threads[0];

	for (size_t i = 1; i < p->n_threads; i++)
		if (worker_load(p->threads[i]) < worker_load(best))
			best = p->threads[i];
	worker_push(best, &t->job, urgent);
}

void
password_check(
    struct passwords *p, struct span password, struct span hash, password_checked_cb cb, void *arg)
{
	struct task *t = xcalloc(1, sizeof *t);

	t->job.work = work_check;
	t->job.done = done_check;
	t->on_checked = cb;
	t->arg = arg;
	/* A NUL would end it early: such a password is nobody's. */
	t->is_unfit = !span_copy(password, t->password, sizeof t->password);
	t->is_nobody = hash.len == 0 || !span_copy(hash, t->hash, sizeof t->hash);
	if (t->is_nobody)
		strlcpy(t->hash, p->nobody, sizeof t->hash);
	push(p, t, false);
}

void
password_hash(struct passwords *p, struct span password, password_hashed_cb cb, void *arg)
{
	struct task *t = xcalloc(1, sizeof *t);

	t->job.work = work_hash;
	t->job.done = done_hash;
	t->on_hashed = cb;
	t->arg = arg;
	/* Without a salt there will be no hash. */
	if (span_copy(password, t->password, sizeof t->password) &&
	    crypt_gensalt_rn(method, 0, NULL, 0, t->hash, sizeof t->hash) == NULL)
		t->hash[0] = '\0';
	push(p, t, true);
}

size_t
passwords_load(const struct passwords *p)
{
	size_t load = 0;

	for (size_t i = 0; i < p->n_threads; i++)
		load += worker_load(p->threads[i]);
	return load;
}

/* ---- threads ---- */

void
passwords_set_threads(struct passwords *p, size_t n)
{
	if (n < 1)
		n = 1;
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	while (p->n_threads < n)
		p->threads[p->n_threads++] = worker_new(p->base);
	while (p->n_threads > n) {
		struct worker *last = p->threads[--p->n_threads];

		worker_free(&last); /* its callbacks find it gone already */
	}
}

struct passwords *
passwords_new(struct event_base *base)
{
	struct passwords *p = xcalloc(1, sizeof *p);

	p->base = base;
	if (crypt_gensalt_rn(method, 0, NULL, 0, p->nobody, sizeof p->nobody) == NULL)
		fatal("crypt(3) cannot make a salt for yescrypt");
	passwords_set_threads(p, 1);
	return p;
}

void
passwords_free(struct passwords **p)
{
	if (*p == NULL)
		return;
	passwords_set_threads(*p, 1);
	worker_free(&(*p)->threads[0]);
	free(*p);
	*p = NULL;
}
