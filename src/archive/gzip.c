/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.c - gzip with zlib; see gzip.h. */
#include "archive/gzip.h"
#include "archive/library.h"

#include <limits.h>
#include <stdlib.h>

#ifdef BERTH_ARCHIVES

#define OUT ((size_t)256 * 1024)
#define GZIP_BITS (15 + 16) /* the window, and the format of gzip */

struct gzip {
	z_stream z;
	bool compress;
	bool ended; /* uncompressing: between two members, or behind the last */
	bool any;   /* uncompressing: a member was complete */
	gzip_output *out;
	void *arg;
	unsigned char buffer[OUT];
};

enum err_code gzip_new(bool compress, gzip_output *out, void *arg, struct gzip **result, struct err *err)
{
	struct gzip *g;
	enum err_code rc = zlib_load(err);
	int r;

	if (rc)
		return rc;
	g = xcalloc(1, sizeof(*g));
	g->compress = compress;
	g->out = out;
	g->arg = arg;
	r = compress ? zlib.deflateInit2_(&g->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY,
	                   ZLIB_VERSION, (int)sizeof(g->z))
	             : zlib.inflateInit2_(&g->z, GZIP_BITS, ZLIB_VERSION, (int)sizeof(g->z));
	if (r != Z_OK) {
		free(g);
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	}
	*result = g;
	return ERR_OK;
}

void gzip_free(struct gzip **g)
{
	if (!*g)
		return;
	if ((*g)->compress)
		zlib.deflateEnd(&(*g)->z);
	else
		zlib.inflateEnd(&(*g)->z);
	free(*g);
	*g = NULL;
}

/* One call of zlib, and what it has made. */
static enum err_code step(struct gzip *g, int flush, int *result, struct err *err)
{
	g->z.next_out = g->buffer;
	g->z.avail_out = OUT;
	*result = g->compress ? zlib.deflate(&g->z, flush) : zlib.inflate(&g->z, Z_NO_FLUSH);
	if (g->z.avail_out == OUT)
		return ERR_OK;
	return g->out(g->arg, g->buffer, OUT - g->z.avail_out, err);
}

static enum err_code inflate_some(struct gzip *g, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && (g->z.avail_in || g->z.avail_out == 0)) {
		int r;

		if (g->ended) {
			/* Zeros behind the end are padding, as gzip itself takes them. */
			while (g->any && g->z.avail_in && *g->z.next_in == 0) {
				g->z.next_in++;
				g->z.avail_in--;
			}
			if (g->z.avail_in == 0)
				return ERR_OK;
			zlib.inflateReset(&g->z);
			g->ended = false;
		}
		rc = step(g, 0, &r, err);
		if (rc == ERR_OK && r == Z_STREAM_END)
			g->ended = g->any = true;
		else if (rc == ERR_OK && r == Z_BUF_ERROR)
			return ERR_OK; /* wants more */
		else if (rc == ERR_OK && r != Z_OK)
			rc = err_set(err, ERR_CORRUPT, "its gzip is damaged%s%s", g->z.msg ? ": " : "",
			    g->z.msg ? g->z.msg : "");
	}
	return rc;
}

static enum err_code deflate_some(struct gzip *g, int flush, struct err *err)
{
	enum err_code rc = ERR_OK;
	int r = Z_OK;

	do {
		rc = step(g, flush, &r, err);
		ASSERT(r != Z_STREAM_ERROR);
	} while (rc == ERR_OK && (flush == Z_FINISH ? r != Z_STREAM_END : g->z.avail_in || g->z.avail_out == 0));
	return rc;
}

enum err_code gzip_write(struct gzip *g, const void *p, size_t n, struct err *err)
{
	ASSERT(n <= INT_MAX);
	if (n == 0)
		return ERR_OK;
	g->z.next_in = (const Bytef *)p;
	g->z.avail_in = (uInt)n;
	g->z.avail_out = OUT;
	return g->compress ? deflate_some(g, Z_NO_FLUSH, err) : inflate_some(g, err);
}

enum err_code gzip_finish(struct gzip *g, struct err *err)
{
	g->z.next_in = NULL;
	g->z.avail_in = 0;
	if (g->compress)
		return deflate_some(g, Z_FINISH, err);
	return g->ended ? ERR_OK : err_set(err, ERR_CORRUPT, "its gzip is cut off");
}

#else

enum err_code gzip_new(bool compress, gzip_output *out, void *arg, struct gzip **g, struct err *err)
{
	return zlib_load(err);
}

enum err_code gzip_write(struct gzip *g, const void *p, size_t n, struct err *err)
{
	return zlib_load(err);
}

enum err_code gzip_finish(struct gzip *g, struct err *err)
{
	return zlib_load(err);
}

void gzip_free(struct gzip **g)
{
	*g = NULL;
}

#endif
