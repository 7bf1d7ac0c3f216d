/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - error objects; see err.h. Every error is born or extended here. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	err->sys = 0;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NO_SPACE;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case EMFILE:
	case ENFILE:
	case EAGAIN:
	case EBUSY:
		return ERR_BUSY;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EPIPE:
	case ECONNRESET:
		return ERR_CLOSED;
	default:
		return ERR_IO;
	}
}

enum err_code err_sys(struct err *err, int sys, const char *fmt, ...)
{
	enum err_code code = code_of_errno(sys);
	char text[128];
	va_list ap;
	size_t n;

	if (!err)
		return code;
	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror_r(sys, text, sizeof(text)));
	return code;
}

enum err_code err_context(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err)
		return ERR_IO;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	return err->code;
}

const char *err_code_name(enum err_code code)
{
	static const char *const names[] = {
	    [ERR_OK] = "ok",
	    [ERR_INVALID] = "invalid",
	    [ERR_NOT_FOUND] = "not found",
	    [ERR_EXISTS] = "exists",
	    [ERR_CONFLICT] = "conflict",
	    [ERR_MISMATCH] = "mismatch",
	    [ERR_RANGE] = "out of range",
	    [ERR_TOO_LARGE] = "too large",
	    [ERR_DENIED] = "denied",
	    [ERR_UNSUPPORTED] = "unsupported",
	    [ERR_NO_SPACE] = "no space",
	    [ERR_NO_MEMORY] = "no memory",
	    [ERR_BUSY] = "busy",
	    [ERR_TIMEOUT] = "timeout",
	    [ERR_CLOSED] = "closed",
	    [ERR_CORRUPT] = "corrupt",
	    [ERR_IO] = "i/o error",
	};

	return (size_t)code < ARRAY_LEN(names) ? names[code] : "unknown";
}
