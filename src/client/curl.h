/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl.h - libcurl, loaded when it is first needed. `curl.easy_init()` is
 * curl_easy_init() once curl_load() has succeeded.
 */
#ifndef BERTH_CLIENT_CURL_H
#define BERTH_CLIENT_CURL_H

#include "base/err.h"

/* The macros of the header call the functions by name, which are not linked. */
#define CURL_DISABLE_TYPECHECK
/* CURLOPT_PROTOCOLS: its replacement is missing before 7.85 (Ubuntu 22.04). */
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>

#define CURL_FUNCTIONS(X) \
	X(global_init) \
	X(easy_init) \
	X(easy_setopt) \
	X(easy_getinfo) \
	X(easy_strerror) \
	X(easy_reset) \
	X(easy_cleanup) \
	X(slist_append) \
	X(slist_free_all) \
	X(multi_init) \
	X(multi_add_handle) \
	X(multi_remove_handle) \
	X(multi_perform) \
	X(multi_poll) \
	X(multi_wakeup) \
	X(multi_info_read) \
	X(multi_strerror) \
	X(multi_cleanup)

struct curl_functions {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member has no parentheses */
#define X(name) __typeof__(curl_##name) *name;
	CURL_FUNCTIONS(X)
#undef X
};

extern struct curl_functions curl;

/* Thread-safe; the library stays loaded to the end of the process. */
enum err_code curl_load(struct err *err) MUST_USE;

#endif
