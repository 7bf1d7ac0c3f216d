/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - files on their way between two processes; see frames.h. */
#include "archive/frames.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER ((size_t)64 * 1024)
#define LINE (SOURCE_PATH_MAX + 1100)
#define STEP ((size_t)256 * 1024)

/* ---- sending ----------------------------------------------------------------- */

enum err_code frames_file(frames_output *out, void *arg, const char *path, uint64_t size, struct err *err)
{
	char line[LINE];
	int n = snprintf(line, sizeof(line), "file %llu %s\n", (unsigned long long)size, path);

	ASSERT(n > 0 && (size_t)n < sizeof(line));
	return out(arg, line, (size_t)n, err);
}

static enum err_code send_link(frames_output *out, void *arg, const struct source_entry *e, struct err *err)
{
	char line[LINE];
	int n = snprintf(line, sizeof(line), "link %s\n%s\n", e->path, e->target);

	ASSERT(n > 0 && (size_t)n < sizeof(line));
	return out(arg, line, (size_t)n, err);
}

enum err_code frames_end(frames_output *out, void *arg, struct err *err)
{
	return out(arg, "end\n", 4, err);
}

enum err_code frames_error(frames_output *out, void *arg, const char *why, struct err *err)
{
	char line[LINE];
	int n = snprintf(line, sizeof(line), "error %.1000s\n", why);

	for (int i = 0; i < n - 1; i++) {
		if (line[i] == '\n')
			line[i] = ' ';
	}
	return out(arg, line, (size_t)n, err);
}

enum err_code frames_send(struct source *s, frames_output *out, void *arg,
    bool (*progress)(const struct source *, void *), void *progress_arg, struct err *err)
{
	CLEANUP(free_ptr) char *p = xmalloc(STEP);
	struct source_entry e;
	enum err_code rc = ERR_OK;
	bool end = false;

	while (rc == ERR_OK && !end) {
		size_t got = 1;

		rc = source_next(s, &e, &end, err);
		if (rc == ERR_OK && !end)
			rc = e.link ? send_link(out, arg, &e, err) : frames_file(out, arg, e.path, e.size, err);
		while (rc == ERR_OK && !end && !e.link && got) {
			rc = source_read(s, p, STEP, &got, err);
			if (rc == ERR_OK && got)
				rc = out(arg, p, got, err);
			if (rc == ERR_OK && progress && !progress(s, progress_arg))
				rc = err_set(err, ERR_CLOSED, "interrupted");
		}
	}
	return rc;
}

/* ---- receiving ----------------------------------------------------------------- */

struct source_frames {
	struct source base; /* first */
	source_input *input;
	void *arg;
	uint64_t left; /* bytes of the file being read */
	size_t at, n;  /* unused bytes in the buffer */
	char buffer[BUFFER];
};

static enum err_code cut_off(struct err *err)
{
	return err_set(err, ERR_CLOSED, "the stream ended before the archive did");
}

static enum err_code refill(struct source_frames *s, struct err *err)
{
	enum err_code rc = s->input(s->arg, s->buffer, sizeof(s->buffer), &s->n, err);

	s->at = 0;
	if (rc == ERR_OK && s->n == 0)
		rc = cut_off(err);
	return rc;
}

static enum err_code take_line(struct source_frames *s, char line[LINE], struct err *err)
{
	size_t n = 0;

	for (;;) {
		enum err_code rc = s->at == s->n ? refill(s, err) : ERR_OK;
		char c;

		if (rc)
			return rc;
		c = s->buffer[s->at++];
		if (c == '\n')
			break;
		if (n + 1 == LINE)
			return err_set(err, ERR_INVALID, "the stream of the archive is malformed: a line is too long");
		line[n++] = c;
	}
	line[n] = '\0';
	return ERR_OK;
}

static enum err_code take_file(struct source_frames *s, struct slice rest, struct source_entry *e, struct err *err)
{
	struct slice size = slice_cut(&rest, ' ');

	if (!slice_u64(size, INT64_MAX, &e->size))
		return err_set(err, ERR_INVALID, "the stream of the archive is malformed: a file has no size");
	s->left = e->size;
	return source_path(rest, e->path, err);
}

static enum err_code take_link(struct source_frames *s, struct slice rest, struct source_entry *e, struct err *err)
{
	char line[LINE];
	enum err_code rc = source_path(rest, e->path, err);

	e->link = true;
	if (rc == ERR_OK)
		rc = take_line(s, line, err);
	return rc ? rc : source_path(slice_cstr(line), e->target, err);
}

static enum err_code frames_read(struct source *base, void *p, size_t n, size_t *got, struct err *err)
{
	struct source_frames *s = (struct source_frames *)base;
	enum err_code rc = ERR_OK;

	if (n > s->left)
		n = (size_t)s->left;
	if (n == 0)
		return ERR_OK;
	if (s->at < s->n) {
		*got = n < s->n - s->at ? n : s->n - s->at;
		memcpy(p, s->buffer + s->at, *got);
		s->at += *got;
	} else {
		rc = s->input(s->arg, p, n, got, err);
		if (rc == ERR_OK && *got == 0)
			rc = cut_off(err);
	}
	if (rc == ERR_OK) {
		s->left -= *got;
		s->base.at += *got;
	}
	return rc;
}

static enum err_code skip(struct source_frames *s, struct err *err)
{
	char p[4096];
	enum err_code rc = ERR_OK;
	size_t got;

	while (rc == ERR_OK && s->left)
		rc = frames_read(&s->base, p, sizeof(p), &got, err);
	return rc;
}

static enum err_code frames_next(struct source *base, struct source_entry *e, bool *end, struct err *err)
{
	struct source_frames *s = (struct source_frames *)base;
	struct slice word, rest;
	char line[LINE];
	enum err_code rc = skip(s, err);

	if (rc == ERR_OK)
		rc = take_line(s, line, err);
	if (rc)
		return rc;
	rest = slice_cstr(line);
	word = slice_cut(&rest, ' ');
	if (slice_eq_cstr(word, "file"))
		return take_file(s, rest, e, err);
	if (slice_eq_cstr(word, "link"))
		return take_link(s, rest, e, err);
	if (slice_eq_cstr(word, "error"))
		return err_set(err, ERR_IO, "%.*s", SLICE_ARG(rest.n ? rest : SLICE("the sender gave up")));
	*end = slice_eq_cstr(word, "end");
	return *end ? ERR_OK
	            : err_set(err, ERR_INVALID, "the stream of the archive is malformed: it has an unknown word");
}

static void frames_close(struct source *base)
{
	free(base);
}

enum err_code source_open_frames(
    source_input *input, void *arg, struct slice first, struct source **out, struct err *err)
{
	static const struct source_ops ops = {frames_next, frames_read, frames_close};
	struct source_frames *s = xcalloc(1, sizeof(*s));

	s->base.ops = &ops;
	s->input = input;
	s->arg = arg;
	if (first.n > sizeof(s->buffer)) {
		free(s);
		return err_set(err, ERR_TOO_LARGE, "the stream of the archive begins with too much");
	}
	if (first.n)
		memcpy(s->buffer, first.p, first.n);
	s->n = first.n;
	*out = &s->base;
	return ERR_OK;
}
