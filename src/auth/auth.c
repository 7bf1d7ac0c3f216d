/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - what all access controllers share; see auth.h and challenge.h. */
#include "auth/challenge.h"
#include "auth/login.h"
#include "base/log.h"
#include "base/metric.h"

static const char *const results[] = {
    [AUTH_GRANTED] = "granted",
    [AUTH_UNAUTHORIZED] = "unauthorized",
    [AUTH_DENIED] = "denied",
    [AUTH_THROTTLED] = "throttled",
    [AUTH_ERROR] = "error",
    [AUTH_RESULT_ANONYMOUS] = "anonymous",
};
_Static_assert(ARRAY_LEN(results) == AUTH_RESULTS, "one name for each result");

static struct metric_family requests_total = {
    .name = "berth_auth_requests_total",
    .help = "Requests an access controller decided on; anonymous: without credentials, and refused for that.",
    .type = METRIC_COUNTER,
    .labels = {"controller", "result"},
};

void auth_metrics_register(void)
{
	metric_register(&requests_total, 1);
	metric_register(login_metrics(), 1);
}

void auth_init(struct auth *a, const struct auth_ops *ops)
{
	a->magic = AUTH_MAGIC;
	a->ops = ops;
	for (size_t i = 0; i < AUTH_RESULTS; i++)
		a->results[i] = metric_child(&requests_total, (const char *const[]){ops->name, results[i]});
}

enum auth_verdict auth_check(
    struct auth *a, struct http_req *req, const struct auth_access *access, size_t n, struct slice *why)
{
	enum auth_verdict v;
	size_t result;

	*why = SLICE_NONE;
	if (!a)
		return AUTH_GRANTED;
	OBJ_CHECK(a, AUTH_MAGIC);
	v = a->ops->check(a, req, access, n, why);
	result = v;
	if (v == AUTH_UNAUTHORIZED && http_header(req, "Authorization").n == 0)
		result = AUTH_RESULT_ANONYMOUS;
	metric_inc(a->results[result]);
	return v;
}

void auth_free(struct auth **ap)
{
	struct auth *a = *ap;

	if (!a)
		return;
	OBJ_CHECK(a, AUTH_MAGIC);
	*ap = NULL;
	a->magic = 0;
	a->ops->free(a);
}

void challenge_quote(struct buf *out, struct slice text)
{
	static const char names[] = "abtnvfr"; /* of the bytes 7 to 13 */

	buf_addc(out, '"');
	while (text.n) {
		unsigned char c = (unsigned char)text.p[0];
		struct slice rune = slice_sub(text, 0, c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4);
		bool valid = utf8_valid(rune);

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c >= 7 && c <= 13)
			buf_addf(out, "\\%c", names[c - 7]);
		else if (c < ' ' || c == 0x7f || !valid)
			buf_addf(out, "\\x%02x", c);
		else
			buf_add(out, rune);
		text = slice_from(text, valid ? rune.n : 1);
	}
	buf_addc(out, '"');
}

bool challenge_send(struct http_req *req, const struct buf *value)
{
	if (!buf_ok(value)) {
		LOG_ERROR("no memory for an authentication challenge, or it is too long");
		return false;
	}
	http_header_set(req, "WWW-Authenticate", buf_slice(value));
	return true;
}
