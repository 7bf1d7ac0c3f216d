/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - see parse.h. A head is first searched for its end as it arrives
 * (head_scan) and then taken apart as a whole (head_parse): request line,
 * fields, and then those fields that frame the message.
 */
#include "http/parse.h"

#include <string.h>

/* Classes of bytes, RFC 9110 5.5 and 5.6.2, RFC 3986 3.2.2. */
enum { TCHAR = 1, FIELD_CHAR = 2, TARGET_CHAR = 4, HOST_CHAR = 8 };

#define IS_ALNUM(c) (((c) >= '0' && (c) <= '9') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define IS_TCHAR(c) \
	(IS_ALNUM(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' || \
	    (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' || \
	    (c) == '|' || (c) == '~')
#define IS_FIELD(c) (((c) >= 0x20 && (c) != 0x7f) || (c) == '\t')
#define IS_TARGET(c) ((c) > 0x20 && (c) < 0x7f && (c) != '#')
#define IS_HOST(c) \
	(IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' || (c) == '%' || (c) == '!' || \
	    (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == '*' || (c) == '+' || \
	    (c) == ',' || (c) == ';' || (c) == '=')
#define CLASS(c) \
	((IS_TCHAR(c) ? TCHAR : 0) | (IS_FIELD(c) ? FIELD_CHAR : 0) | (IS_TARGET(c) ? TARGET_CHAR : 0) | \
	    (IS_HOST(c) ? HOST_CHAR : 0))
#define ROW4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)
static const uint8_t classes[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

static bool all_in(struct slice s, uint8_t class)
{
	for (size_t i = 0; i < s.n; i++)
		if ((classes[(uint8_t)s.p[i]] & class) == 0)
			return false;
	return true;
}

enum head_found head_scan(struct head_scan *s, const char *p, size_t n, enum refuse *why)
{
	const char *lf;

	while (s->at < n && (lf = memchr(p + s->at, '\n', n - s->at)) != NULL) {
		size_t i = (size_t)(lf - p);

		if (i == s->line || p[i - 1] != '\r') {
			*why = REFUSE_LINE_END;
			return HEAD_BAD;
		}
		if (i - 1 == s->line) {
			if (s->line != s->start) {
				s->end = i + 1;
				return HEAD_WHOLE;
			}
			s->start = i + 1; /* empty lines in front of a request are skipped (RFC 9112, 2.2) */
		}
		s->line = s->at = i + 1;
	}
	s->at = n;
	/* What cannot become a request (a TLS hello, say) is not waited for. */
	if (n > s->start && (classes[(uint8_t)p[s->start]] & TCHAR) == 0 && p[s->start] != '\r') {
		*why = REFUSE_REQUEST_LINE;
		return HEAD_BAD;
	}
	return HEAD_MORE;
}

/* ---- request line ------------------------------------------------------ */

static enum http_method method_of(struct slice s)
{
	static const char *const names[HTTP_OTHER] = {
	    [HTTP_GET] = "GET",
	    [HTTP_HEAD] = "HEAD",
	    [HTTP_POST] = "POST",
	    [HTTP_PUT] = "PUT",
	    [HTTP_PATCH] = "PATCH",
	    [HTTP_DELETE] = "DELETE",
	    [HTTP_OPTIONS] = "OPTIONS",
	};

	for (int m = 0; m < HTTP_OTHER; m++)
		if (slice_eq_cstr(s, names[m]))
			return (enum http_method)m;
	return HTTP_OTHER;
}

/* uri-host [ ":" port ], may be empty (RFC 9110, 7.2). */
static bool host_valid(struct slice s)
{
	if (s.n > 0 && s.p[0] == '[') {
		ssize_t close = slice_find(s, ']');

		if (close < 2)
			return false;
		for (ssize_t i = 1; i < close; i++)
			if (s.p[i] != ':' && (classes[(uint8_t)s.p[i]] & HOST_CHAR) == 0)
				return false;
		s = slice_from(s, (size_t)close + 1);
		if (s.n > 0 && s.p[0] != ':')
			return false;
	}
	struct slice port = s;
	struct slice name = slice_cut(&port, ':');

	if (!all_in(name, HOST_CHAR))
		return false;
	for (size_t i = 0; i < port.n; i++)
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
	return port.n <= 5;
}

static enum refuse parse_target(struct head *h)
{
	struct slice t = h->target, rest;

	if (t.n == 0 || !all_in(t, TARGET_CHAR))
		return REFUSE_TARGET;
	if (slice_eq_cstr(h->method_text, "CONNECT"))
		return REFUSE_METHOD;
	if (t.n == 1 && t.p[0] == '*') {
		h->asterisk = true;
		h->path = t;
		return h->method == HTTP_OPTIONS ? REFUSE_NONE : REFUSE_TARGET;
	}
	if (slice_starts_icase(t, SLICE("http://")))
		rest = slice_from(t, 7);
	else if (slice_starts_icase(t, SLICE("https://")))
		rest = slice_from(t, 8);
	else
		rest = SLICE_NONE;
	if (rest.p != NULL) {
		size_t end = 0;

		while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
			end++;
		h->host = slice_sub(rest, 0, end);
		if (h->host.n == 0 || !host_valid(h->host))
			return REFUSE_HOST;
		t = slice_from(rest, end);
	} else if (t.p[0] != '/') {
		return REFUSE_TARGET;
	}
	h->query = t;
	h->path = slice_cut(&h->query, '?');
	if (h->path.n == 0)
		h->path = SLICE("/");
	return REFUSE_NONE;
}

/* method SP request-target SP HTTP-version (RFC 9112, 3). */
static enum refuse parse_line(struct slice line, struct head *h)
{
	struct slice rest = line;
	enum refuse why;

	h->method_text = slice_cut(&rest, ' ');
	if (h->method_text.n == 0 || rest.p == NULL || !all_in(h->method_text, TCHAR))
		return REFUSE_REQUEST_LINE;
	h->target = slice_cut(&rest, ' ');
	if (rest.p == NULL || rest.n != 8 || memcmp(rest.p, "HTTP/", 5) != 0 || rest.p[6] != '.')
		return REFUSE_REQUEST_LINE;
	if (rest.p[5] < '0' || rest.p[5] > '9' || rest.p[7] < '0' || rest.p[7] > '9')
		return REFUSE_REQUEST_LINE;
	if (rest.p[5] != '1')
		return REFUSE_VERSION;
	h->minor = rest.p[7] - '0';
	h->method = method_of(h->method_text);
	why = parse_target(h);
	h->line = why == REFUSE_NONE || why == REFUSE_METHOD;
	return why;
}

/* ---- fields ------------------------------------------------------------ */

static enum refuse parse_field(struct slice line, struct http_field *f)
{
	ssize_t colon;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return REFUSE_FIELD_FOLD;
	colon = slice_find(line, ':');
	if (colon <= 0)
		return REFUSE_FIELD_NAME;
	f->name = slice_sub(line, 0, (size_t)colon);
	if (!all_in(f->name, TCHAR)) {
		char last = f->name.p[f->name.n - 1];

		return last == ' ' || last == '\t' ? REFUSE_FIELD_SPACE : REFUSE_FIELD_NAME;
	}
	f->value = slice_from(line, (size_t)colon + 1);
	if (!all_in(f->value, FIELD_CHAR))
		return REFUSE_FIELD_VALUE;
	f->value = slice_trim(f->value);
	return REFUSE_NONE;
}

bool list_has_token(struct slice list, const char *token)
{
	struct slice rest = list, want = slice_cstr(token);

	while (rest.p != NULL)
		if (slice_eq_icase(slice_trim(slice_cut(&rest, ',')), want))
			return true;
	return false;
}

/* The fields that say how the message is framed and how the connection goes
 * on, gathered from all fields before they are judged together. */
struct framing {
	const struct http_field *host, *length, *coding, *expect;
	bool host_twice, length_twice, coding_twice, expect_other;
	bool close, keep_alive;
};

static void note(const struct http_field *f, const struct http_field **first, bool *twice)
{
	if (*first != NULL)
		*twice = true;
	else
		*first = f;
}

static void gather(const struct http_field *f, struct framing *g)
{
	switch (f->name.n) {
	case 4:
		if (slice_eq_icase(f->name, SLICE("Host")))
			note(f, &g->host, &g->host_twice);
		break;
	case 6:
		if (slice_eq_icase(f->name, SLICE("Expect"))) {
			g->expect = f;
			if (!slice_eq_icase(f->value, SLICE("100-continue")))
				g->expect_other = true;
		}
		break;
	case 10:
		if (slice_eq_icase(f->name, SLICE("Connection"))) {
			g->close |= list_has_token(f->value, "close");
			g->keep_alive |= list_has_token(f->value, "keep-alive");
		}
		break;
	case 14:
		if (slice_eq_icase(f->name, SLICE("Content-Length")))
			note(f, &g->length, &g->length_twice);
		break;
	case 17:
		if (slice_eq_icase(f->name, SLICE("Transfer-Encoding")))
			note(f, &g->coding, &g->coding_twice);
		break;
	default:
		break;
	}
}

/* RFC 9112, 6.3, with every case refused that it allows to repair. */
static enum refuse judge_body(const struct framing *g, struct head *h)
{
	uint64_t n;

	if (g->length_twice)
		return REFUSE_LENGTH_TWICE;
	if (g->coding != NULL) {
		if (h->minor == 0)
			return REFUSE_CODING_OLD;
		if (g->length != NULL)
			return REFUSE_LENGTH_AND_CODING;
		if (g->coding_twice)
			return REFUSE_CODING_TWICE;
		if (!slice_eq_icase(g->coding->value, SLICE("chunked")))
			return REFUSE_CODING;
		h->chunked = true;
		h->body_length = -1;
	} else if (g->length != NULL) {
		if (!slice_u64(g->length->value, INT64_MAX, &n))
			return REFUSE_LENGTH;
		h->body_length = (int64_t)n;
	}
	return REFUSE_NONE;
}

static enum refuse judge(const struct framing *g, struct head *h)
{
	enum refuse why;

	if (g->host_twice)
		return REFUSE_HOST_TWICE;
	if (g->host == NULL && h->minor > 0)
		return REFUSE_HOST_MISSING;
	if (g->host != NULL) {
		if (!host_valid(g->host->value))
			return REFUSE_HOST;
		if (h->host.p == NULL)
			h->host = g->host->value;
	}
	why = judge_body(g, h);
	if (why != REFUSE_NONE)
		return why;
	/* An expectation from HTTP/1.0 is to be ignored (RFC 9110, 10.1.1). */
	if (g->expect != NULL && h->minor > 0) {
		if (g->expect_other)
			return REFUSE_EXPECT;
		h->expect_continue = true;
	}
	h->keep_alive = !g->close && (h->minor > 0 || g->keep_alive);
	return REFUSE_NONE;
}

/* The line at the start of *rest, without its CR LF. */
static bool next_line(struct slice *rest, struct slice *line)
{
	ssize_t lf = slice_find(*rest, '\n');

	if (lf < 1 || rest->p[lf - 1] != '\r')
		return false;
	*line = slice_sub(*rest, 0, (size_t)lf - 1);
	*rest = slice_from(*rest, (size_t)lf + 1);
	return true;
}

enum refuse head_parse(struct slice raw, struct http_field *fields, size_t max_fields, struct head *h)
{
	struct framing g = {0};
	struct slice rest = raw, line;
	enum refuse why;

	*h = (struct head){.method = HTTP_OTHER};
	if (!next_line(&rest, &line))
		return REFUSE_LINE_END;
	why = parse_line(line, h);
	if (why != REFUSE_NONE)
		return why;
	for (;;) {
		if (!next_line(&rest, &line))
			return REFUSE_LINE_END;
		if (line.n == 0)
			break;
		if (h->nfields == max_fields)
			return REFUSE_FIELDS_MANY;
		why = parse_field(line, &fields[h->nfields]);
		if (why != REFUSE_NONE)
			return why;
		gather(&fields[h->nfields++], &g);
	}
	return judge(&g, h);
}
