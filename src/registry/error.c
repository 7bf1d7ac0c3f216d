/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - error answers; see error.h. */
#include "registry/error.h"
#include "registry/registry.h"
#include "base/log.h"

#include <stdarg.h>

static const struct {
	const char *code;
	int status;
	const char *message;
} table[] = {
#define X(name, code, status, message) [name] = {code, status, message},
    OCI_ERRORS(X)
#undef X
};

const char *oci_error_code(enum oci_error e)
{
	return table[e].code;
}

int oci_error_status(enum oci_error e)
{
	return table[e].status;
}

const char *oci_error_message(enum oci_error e)
{
	return table[e].message;
}

void oci_error_item(struct buf *b, enum oci_error e, struct slice why, struct slice detail)
{
	buf_addf(b, "{\"code\":\"%s\",\"message\":", table[e].code);
	if (why.p) {
		struct buf text = BUF_INIT(16 * 1024);
		struct slice message = slice_cstr(table[e].message);

		/* registry:2 ends one of its messages with a full stop. */
		if (message.p[message.n - 1] == '.')
			message.n--;
		buf_addf(&text, "%.*s: ", SLICE_ARG(message));
		buf_add(&text, why);
		buf_add_json(b, buf_slice(&text));
		buf_free(&text);
	} else {
		buf_add_json(b, slice_cstr(table[e].message));
	}
	if (detail.p) {
		buf_adds(b, ",\"detail\":");
		buf_add(b, detail);
	}
	buf_addc(b, '}');
}

void oci_fail_with(struct http_req *req, enum oci_error e, struct slice why, struct slice detail)
{
	struct buf b = BUF_INIT((size_t)1 << 20);

	buf_adds(&b, "{\"errors\":[");
	oci_error_item(&b, e, why, detail);
	buf_adds(&b, "]}\n");
	http_header_set(req, "Content-Type", SLICE("application/json; charset=utf-8"));
	if (table[e].status == 503 || table[e].status == 507)
		http_header_set(req, "Retry-After", SLICE("5"));
	http_reply(req, table[e].status, buf_slice(&b));
	buf_free(&b);
}

void oci_fail(struct http_req *req, enum oci_error e)
{
	oci_fail_with(req, e, SLICE_NONE, SLICE_NONE);
}

void oci_fail_why(struct http_req *req, enum oci_error e, const char *fmt, ...)
{
	struct buf why = BUF_INIT(8 * 1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&why, fmt, ap);
	va_end(ap);
	oci_fail_with(req, e, buf_slice(&why), SLICE_NONE);
	buf_free(&why);
}

void oci_fail_detail(struct http_req *req, enum oci_error e, struct slice detail)
{
	oci_fail_with(req, e, SLICE_NONE, detail);
}

void oci_fail_system(struct http_req *req, const struct err *err, const char *doing)
{
	enum oci_error e = OCI_UNKNOWN;

	LOG_ERROR("request failed", LOG_STR("doing", doing), LOG_STR("error", err->msg), LOG_STR("request", req->id),
	    LOG_SLICE("uri", req->target));
	switch (err->code) {
	case ERR_NO_SPACE:
		e = OCI_STORAGE_FULL;
		break;
	case ERR_BUSY:
	case ERR_NO_MEMORY:
	case ERR_TIMEOUT:
		e = OCI_UNAVAILABLE;
		break;
	default:
		break;
	}
	oci_fail_why(req, e, "%s failed; the log of the registry says why (request %s)", doing, req->id);
}

/* The HTTP layer's refusals carry the code that fits the status best. */
struct slice registry_error_body(int status, const char *message, struct arena *a)
{
	struct buf b = BUF_INIT(4096);
	struct slice body;
	const char *code = "UNKNOWN";

	if (status == 503)
		code = "UNAVAILABLE";
	else if (status == 429)
		code = "TOOMANYREQUESTS";
	else if (status == 405 || status == 501 || status == 505 || status == 417)
		code = "UNSUPPORTED";
	else if (status == 413)
		code = "SIZE_INVALID";
	buf_addf(&b, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
	buf_add_json(&b, slice_cstr(message));
	buf_adds(&b, "}]}\n");
	body = arena_copy(a, buf_slice(&b));
	buf_free(&b);
	return body;
}
