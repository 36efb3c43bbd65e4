/* When a message is tried again, and when it is given up. */
#include "queue/retry.h"

#include "common/log.h"
#include "common/span.h"

enum { INTERVAL_MAX_S = 365 * 24 * 3600, INTERVAL_DEFAULT_S = 4 * 3600 };

void
retry_read(struct retry *r, const struct settings *s)
{
	struct span list = span_of(settings_text(s, "timeouts", "Retry Intervals")), word;
	uint64_t interval;

	*r = (struct retry){.maximum_s = settings_u64(s, "smtpd", "Maximum Retry") * RETRY_UNIT_S,
	    .notice_s = settings_u64(s, "smtpd", "Delay Notice")};
	while (list.len > 0 && r->n < RETRY_INTERVALS_MAX) {
		span_take(&list, ' ', &word);
		if (span_u64(word, INTERVAL_MAX_S, &interval) && interval > 0)
			r->intervals_s[r->n++] = interval;
		else if (word.len > 0)
			log_warn("a retry interval is ignored: %s", log_safe(word));
	}
	if (r->n == 0)
		r->intervals_s[r->n++] = INTERVAL_DEFAULT_S;
}

uint64_t
retry_next_s(const struct retry *r, uint64_t attempts, uint64_t now_s, uint64_t arrival_s)
{
	uint64_t i = attempts > 0 ? attempts - 1 : 0, end_s = arrival_s + r->maximum_s;
	uint64_t next_s = now_s + r->intervals_s[i < r->n ? i : r->n - 1];

	if (r->notice_s > 0 && now_s < arrival_s + r->notice_s && next_s > arrival_s + r->notice_s)
		next_s = arrival_s + r->notice_s;
	return next_s > end_s && end_s > now_s ? end_s : next_s;
}

bool
retry_is_over(const struct retry *r, uint64_t now_s, uint64_t arrival_s)
{
	return now_s >= arrival_s && now_s - arrival_s >= r->maximum_s;
}

uint64_t
retry_longest_s(const struct retry *r)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < r->n; i++)
		if (r->intervals_s[i] > longest)
			longest = r->intervals_s[i];
	return longest;
}
