/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - why something failed, for people.
 *
 * Fallible functions return an `enum err_code` (0 = ERR_OK) and take a
 * `struct err *` last, which they fill exactly when they fail. A caller passes
 * it on untouched or adds context in front with err_context(). The message
 * says what was wrong, where, and what to do; it has no trailing full stop and
 * no function names. `err` may be NULL where the caller does not care.
 */
#ifndef BERTH_BASE_ERR_H
#define BERTH_BASE_ERR_H

#include "base/defs.h"

enum err_code {
	ERR_OK = 0,
	ERR_INVALID,     /* the input is malformed */
	ERR_NOT_FOUND,   /* the thing named does not exist */
	ERR_EXISTS,      /* it exists already */
	ERR_CONFLICT,    /* somebody else is changing it */
	ERR_MISMATCH,    /* digest or size differ from what was announced */
	ERR_RANGE,       /* offset outside of what is there */
	ERR_TOO_LARGE,   /* over a configured limit */
	ERR_DENIED,      /* not allowed */
	ERR_UNSUPPORTED, /* not offered here */
	ERR_NO_SPACE,    /* ENOSPC, EDQUOT */
	ERR_NO_MEMORY,
	ERR_BUSY,    /* try again later */
	ERR_TIMEOUT, /* a deadline passed or a peer was too slow */
	ERR_CLOSED,  /* the peer went away */
	ERR_CORRUPT, /* stored data is not what was written */
	ERR_IO       /* any other failure of the system */
};

struct err {
	enum err_code code;
	int sys; /* errno, 0 when none is involved */
	char msg[1024];
};

/* Fills *err and returns code, so that `return err_set(...)` reads naturally. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* From errno: picks the code (ENOENT -> ERR_NOT_FOUND, ENOSPC/EDQUOT ->
 * ERR_NO_SPACE, ENOMEM, EMFILE/ENFILE -> ERR_BUSY, ...), appends ": strerror". */
enum err_code err_sys(struct err *err, int sys, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "context: " in front of the message that is there. Returns err->code, or
 * ERR_IO without an err: where that may be, return the code you have. */
enum err_code err_context(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The name of a code, for logs: "not found". */
const char *err_code_name(enum err_code code);

#endif
