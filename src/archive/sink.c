/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - which kind of archive a name asks for; see sink.h. */
#include "archive/sink.h"

#include <string.h>
#include <unistd.h>

enum err_code sink_begin(struct sink *s, const char *path, uint64_t size, struct err *err)
{
	return s->ops->begin(s, path, size, err);
}

enum err_code sink_write(struct sink *s, const void *p, size_t n, struct err *err)
{
	return n ? s->ops->write(s, p, n, err) : ERR_OK;
}

enum err_code sink_end(struct sink *s, struct err *err)
{
	return s->ops->end(s, err);
}

enum err_code sink_finish(struct sink *s, struct err *err)
{
	return s->ops->finish(s, err);
}

void sink_close(struct sink **s)
{
	if (*s)
		(*s)->ops->close(*s);
	*s = NULL;
}

enum err_code sink_open(const char *dest, struct sink **out, struct err *err)
{
	struct slice name = slice_cstr(dest);

	if (slice_eq_cstr(name, "-")) {
		if (isatty(STDOUT_FILENO))
			return err_set(err, ERR_INVALID,
			    "standard output is a terminal: send the archive into a file or another command");
		return sink_open_tar(NULL, false, out, err);
	}
	if (slice_ends(name, SLICE(".tar")))
		return sink_open_tar(dest, false, out, err);
	if (slice_ends(name, SLICE(".tar.gz")) || slice_ends(name, SLICE(".tgz")))
		return sink_open_tar(dest, true, out, err);
	return sink_open_dir(dest, out, err);
}
