/* SPDX-License-Identifier: Apache-2.0 */
/*
 * location.c - URLs in answers, right behind a reverse proxy as well.
 *
 * The base is, in this order: http.host; nothing (http.relativeurls); what the
 * proxy says (Forwarded, then X-Forwarded-Proto and -Host); the Host field.
 */
#include "registry/registry_priv.h"

#include <stdarg.h>

/* Cuts off what stands before the next `sep` outside of quotes, as slice_cut does. */
static struct slice cut_unquoted(struct slice *rest, char sep)
{
	bool quoted = false;
	struct slice head;

	for (size_t i = 0; i < rest->n; i++) {
		char ch = rest->p[i];

		if (ch == '"')
			quoted = !quoted;
		else if (quoted && ch == '\\')
			i++;
		else if (!quoted && ch == sep) {
			head = slice_sub(*rest, 0, i);
			*rest = slice_from(*rest, i + 1);
			return head;
		}
	}
	head = *rest;
	*rest = SLICE_NONE;
	return head;
}

/* The first element of the list that all Forwarded fields are together (RFC 7239, 4). */
static struct slice first_forwarded(const struct http_req *req)
{
	for (size_t i = 0; i < req->nfields; i++) {
		struct slice rest = req->fields[i].value;

		if (!slice_eq_icase(req->fields[i].name, SLICE("Forwarded")))
			continue;
		while (rest.p) {
			struct slice element = slice_trim(cut_unquoted(&rest, ','));

			if (element.n)
				return element;
		}
	}
	return SLICE_NONE;
}

/* The value of a parameter of the element, without quotes; absent when there is none. */
static struct slice forwarded_param(struct slice element, const char *name)
{
	while (element.p) {
		struct slice value = cut_unquoted(&element, ';');
		struct slice key = slice_trim(slice_cut(&value, '='));

		if (!slice_eq_icase(key, slice_cstr(name)) || !value.p)
			continue;
		value = slice_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = slice_sub(value, 1, value.n - 2);
		return value;
	}
	return SLICE_NONE;
}

static struct slice first_of_list(struct slice field)
{
	return slice_trim(slice_cut(&field, ','));
}

static bool is_host(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		          c == '-' || c == '_' || c == ':' || c == '[' || c == ']' || c == '%';

		if (!ok)
			return false;
	}
	return s.n > 0;
}

static bool is_scheme(struct slice s)
{
	return slice_eq_icase(s, SLICE("http")) || slice_eq_icase(s, SLICE("https"));
}

static void add_base(struct call *c, struct buf *b)
{
	struct slice forwarded = first_forwarded(c->req);
	struct slice host = forwarded_param(forwarded, "host");
	struct slice scheme = forwarded_param(forwarded, "proto");

	if (!scheme.p)
		scheme = first_of_list(http_header(c->req, "X-Forwarded-Proto"));
	if (!host.p)
		host = first_of_list(http_header(c->req, "X-Forwarded-Host"));
	if (!is_scheme(scheme))
		scheme = c->req->tls ? SLICE("https") : SLICE("http");
	if (!is_host(host))
		host = c->req->host;
	if (host.n == 0)
		return; /* HTTP/1.0 without Host: a relative reference is all there is */
	buf_addf(b, "%.*s://%.*s", SLICE_ARG(scheme), SLICE_ARG(host));
}

static void add_configured_host(struct call *c, struct buf *b)
{
	struct slice host = slice_cstr(c->r->o.host);

	while (host.n && host.p[host.n - 1] == '/')
		host.n--;
	buf_add(b, host);
}

void location_set(struct call *c, const char *rest_fmt, ...)
{
	struct buf b = BUF_INIT(8192);
	va_list ap;

	if (c->r->o.host && *c->r->o.host)
		add_configured_host(c, &b);
	else if (!c->r->o.relative_urls)
		add_base(c, &b);
	buf_addf(&b, "%sv2/%.*s/", c->r->o.prefix, SLICE_ARG(c->name));
	va_start(ap, rest_fmt);
	buf_vaddf(&b, rest_fmt, ap);
	va_end(ap);
	http_header_set(c->req, "Location", buf_slice(&b));
	buf_free(&b);
}

void location_next(struct call *c, struct slice last, uint64_t n)
{
	struct buf b = BUF_INIT(8192);

	buf_addc(&b, '<');
	buf_add(&b, c->req->path);
	buf_adds(&b, "?last=");
	buf_add_urlenc(&b, last);
	buf_addf(&b, "&n=%llu>; rel=\"next\"", (unsigned long long)n);
	http_header_set(c->req, "Link", buf_slice(&b));
	buf_free(&b);
}
