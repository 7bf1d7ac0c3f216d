/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - one request and its answer with libcurl's multi interface, which
 * unlike the easy one can be woken up: client_cancel() ends a request at once,
 * so that a process that stops does not wait for somebody else's timeout.
 */
#include "client/client.h"
#include "base/clock.h"
#include "client/curl.h"

#include <errno.h>
#include <stdatomic.h>

#define USER_AGENT "berth/" BERTH_VERSION

struct client {
	uint32_t magic;
#define CLIENT_MAGIC 0x436c6e74
	CURL *easy;
	CURLM *multi;
	_Atomic bool cancelled;
	char detail[CURL_ERROR_SIZE]; /* why the last transfer failed, in libcurl's words */
};

enum err_code client_new(struct client **out, struct err *err)
{
	enum err_code code = curl_load(err);
	struct client *c;

	if (code != ERR_OK)
		return code;
	c = xcalloc(1, sizeof(*c));
	c->magic = CLIENT_MAGIC;
	c->easy = curl.easy_init();
	c->multi = curl.multi_init();
	if (!c->easy || !c->multi) {
		client_free(&c);
		return err_set(err, ERR_NO_MEMORY, "cannot make an HTTP client");
	}
	*out = c;
	return ERR_OK;
}

void client_free(struct client **cp)
{
	struct client *c = *cp;

	if (!c)
		return;
	OBJ_CHECK(c, CLIENT_MAGIC);
	*cp = NULL;
	if (c->easy)
		curl.easy_cleanup(c->easy);
	if (c->multi)
		curl.multi_cleanup(c->multi);
	c->magic = 0;
	free(c);
}

void client_cancel(struct client *c)
{
	OBJ_CHECK(c, CLIENT_MAGIC);
	atomic_store(&c->cancelled, true);
	curl.multi_wakeup(c->multi);
}

/* libcurl hands over a piece of the body; anything but n ends the transfer. */
static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
	struct buf *body = arg;

	if (body->max > 0)
		buf_add(body, slice_of(p, size * n));
	return buf_ok(body) ? size * n : 0;
}

static struct curl_slist *make_fields(const struct client_request *r, bool *ok)
{
	struct curl_slist *list = NULL;

	*ok = true;
	for (size_t i = 0; i < r->nfields; i++) {
		struct curl_slist *longer = curl.slist_append(list, r->fields[i]);

		*ok = *ok && longer;
		list = longer ? longer : list;
	}
	return list;
}

/* Sets the handle up for this request; false when libcurl refuses something. */
static bool set_options(struct client *c, const struct client_request *r, struct curl_slist *fields, struct buf *body)
{
	CURL *h = c->easy;
	bool ok = true;

#define SET(option, value) (ok = ok && curl.easy_setopt(h, (option), (value)) == CURLE_OK)
	curl.easy_reset(h);
	SET(CURLOPT_ERRORBUFFER, c->detail);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_HTTPHEADER, fields);
	SET(CURLOPT_TIMEOUT_MS, (long)((r->timeout + CLOCK_MS - 1) / CLOCK_MS));
	SET(CURLOPT_FOLLOWLOCATION, r->redirects > 0 ? 1L : 0L);
	SET(CURLOPT_MAXREDIRS, (long)r->redirects);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, body);
	if (r->body.p) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
		SET(CURLOPT_POSTFIELDS, r->body.p);
	}
	if (strcmp(r->method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	else
		SET(CURLOPT_CUSTOMREQUEST, r->method);
#undef SET
	return ok;
}

/* Drives the transfer to its end; CURLE_ABORTED_BY_CALLBACK when cancelled. */
static CURLcode drive(struct client *c)
{
	CURLMcode rc = CURLM_OK;
	int running = 1, left;
	CURLMsg *message;

	while (rc == CURLM_OK && running > 0 && !atomic_load(&c->cancelled)) {
		rc = curl.multi_perform(c->multi, &running);
		if (rc == CURLM_OK && running > 0)
			rc = curl.multi_poll(c->multi, NULL, 0, 1000, NULL);
	}
	if (rc != CURLM_OK) {
		snprintf(c->detail, sizeof(c->detail), "%s", curl.multi_strerror(rc));
		return CURLE_FAILED_INIT;
	}
	while ((message = curl.multi_info_read(c->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			return message->data.result;
	return CURLE_ABORTED_BY_CALLBACK;
}

/* "host:port" of a URL: what may be shown, since the rest can hold credentials. */
static struct slice shown_host(const char *url)
{
	struct slice s = slice_cstr(url);
	const char *scheme = strstr(url, "://");
	ssize_t at;

	if (scheme)
		s = slice_from(s, (size_t)(scheme - url) + 3);
	s.n = strcspn(s.p, "/?#");
	at = slice_rfind(s, '@');
	return slice_from(s, (size_t)(at + 1));
}

static enum err_code failed(
    const struct client *c, const struct client_request *r, CURLcode rc, const struct buf *body, struct err *err)
{
	const char *why = c->detail[0] ? c->detail : curl.easy_strerror(rc);
	struct slice host = shown_host(r->url);

	switch (rc) {
	case CURLE_ABORTED_BY_CALLBACK:
		return err_set(err, ERR_CLOSED, "the request to %.*s was cancelled", SLICE_ARG(host));
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, ERR_TIMEOUT, "no answer from %.*s in time: %s", SLICE_ARG(host), why);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(err, ERR_INVALID, "not a URL that can be asked: %s", why);
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, ERR_NO_MEMORY, "no memory for a request to %.*s", SLICE_ARG(host));
	case CURLE_WRITE_ERROR:
		if (body->err == EOVERFLOW)
			return err_set(err, ERR_TOO_LARGE, "the answer of %.*s is larger than %zu bytes",
			    SLICE_ARG(host), body->max);
		return err_set(err, ERR_NO_MEMORY, "no memory for the answer of %.*s", SLICE_ARG(host));
	default:
		return err_set(err, ERR_IO, "%.*s: %s", SLICE_ARG(host), why);
	}
}

enum err_code client_perform(
    struct client *c, const struct client_request *r, struct client_answer *out, struct err *err)
{
	struct buf body = BUF_INIT(r->body_max);
	struct curl_slist *fields;
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	long status = 0;
	bool ok;

	OBJ_CHECK(c, CLIENT_MAGIC);
	ASSERT(r->method && r->url && r->timeout > 0);
	c->detail[0] = '\0';
	fields = make_fields(r, &ok);
	if (ok && set_options(c, r, fields, &body) && curl.multi_add_handle(c->multi, c->easy) == CURLM_OK) {
		rc = drive(c);
		curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		curl.multi_remove_handle(c->multi, c->easy);
	}
	curl.slist_free_all(fields);
	if (rc != CURLE_OK) {
		enum err_code code = failed(c, r, rc, &body, err);

		buf_free(&body);
		return code;
	}
	out->status = (int)status;
	out->body = body;
	return ERR_OK;
}
