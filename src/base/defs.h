/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defs.h - what every file of berth may rely on: standard types, attributes,
 * assertions and object magics. No other module is needed to use this one.
 *
 * Assertions cover what our own code promised. Bytes from the network, the
 * disk, the database or the operator may only ever yield an error, never an
 * assertion (see docs/architecture.md, "Errors and assertions").
 */
#ifndef BERTH_BASE_DEFS_H
#define BERTH_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Reports a broken promise with file and line on stderr, then aborts. */
NORETURN void base_assert_fail(const char *expr, const char *file, int line, const char *func);

/* Kept in release builds; the expression must not have side effects. */
#define ASSERT(e) ((e) ? (void)0 : base_assert_fail(#e, __FILE__, __LINE__, __func__))
/* The default of a switch that handles every case. */
#define UNREACHABLE(why) base_assert_fail(why, __FILE__, __LINE__, __func__)

/*
 * Every heap object that crosses a module border or a void pointer starts with
 * `uint32_t magic`. OBJ_CHECK asserts it, OBJ_CAST converts a void pointer.
 */
#define OBJ_CHECK(p, m) ASSERT((p) != NULL && (p)->magic == (m))
#define OBJ_CAST(to, from, m) \
	do { \
		(to) = (from); \
		OBJ_CHECK(to, m); \
	} while (0)

/* Memory that small process-lifetime structures cannot do without: aborts with
 * a message when there is none. Free with free(). */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));

/* Scope-bound release: `CLEANUP(close_fd) int fd = -1;` */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
/* Closes *fd when it is not negative. */
void close_fd(int *fd);
/* free(*p) for a pointer of any type. */
void free_ptr(void *p);

#endif
