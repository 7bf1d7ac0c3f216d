/* SPDX-License-Identifier: Apache-2.0 */
/* defs.c - assertion failure and the allocations a process cannot live without. */
#include "base/defs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void base_assert_fail(const char *expr, const char *file, int line, const char *func)
{
	fprintf(stderr, "berth: broken promise: %s (%s:%d, %s); this is a bug in berth\n", expr, file, line, func);
	abort();
}

static NORETURN void out_of_memory(size_t n)
{
	fprintf(stderr, "berth: out of memory (%zu bytes)\n", n);
	abort();
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *xrealloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		out_of_memory(n);
	return q;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory(0);
	return s;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void free_ptr(void *p)
{
	void **pp = p;

	free(*pp);
	*pp = NULL;
}
