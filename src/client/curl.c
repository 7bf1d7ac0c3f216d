/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl.c - loading libcurl.
 *
 * With libcurl come some thirty libraries (Kerberos, LDAP, SSH, HTTP/2), which
 * cost every start milliseconds and megabytes even when nobody is asked
 * anything over HTTP. So the functions are looked up at run time, with the
 * types of the header they are compiled against.
 */
#include "client/curl.h"
#include "base/sync.h"

#include <dlfcn.h>

#define CURL_LIBRARY "libcurl.so.4"

struct curl_functions curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct err why; /* ERR_OK once it is loaded; written under `once` */

static void load(void)
{
	static const struct {
		const char *name;
		size_t at;
	} functions[] = {
#define X(name) {"curl_" #name, offsetof(struct curl_functions, name)},
	    CURL_FUNCTIONS(X)
#undef X
	};
	void *library = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		err_set(&why, ERR_UNSUPPORTED, "cannot load libcurl (%s): install the package libcurl4", dlerror());
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function) {
			err_set(&why, ERR_UNSUPPORTED, "%s has no %s: berth needs libcurl 7.68 or newer", CURL_LIBRARY,
			    functions[i].name);
			dlclose(library);
			return;
		}
		memcpy((char *)&curl + functions[i].at, &function, sizeof(function));
	}
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		err_set(&why, ERR_UNSUPPORTED, "libcurl cannot be initialised");
}

enum err_code curl_load(struct err *err)
{
	int rc = pthread_once(&once, load);

	ASSERT(rc == 0);
	if (why.code != ERR_OK)
		return err_set(err, why.code, "%s", why.msg);
	return ERR_OK;
}
