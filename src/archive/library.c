/* SPDX-License-Identifier: Apache-2.0 */
/* library.c - loading libarchive and zlib; see library.h. */
#include "archive/library.h"
#include "base/sync.h"

#ifdef BERTH_ARCHIVES

#include <dlfcn.h>

struct tar_functions tar;
struct zlib_functions zlib;

struct function {
	const char *name;
	size_t at; /* in the table */
};

static pthread_once_t tar_once = PTHREAD_ONCE_INIT, zlib_once = PTHREAD_ONCE_INIT;
static struct err tar_why, zlib_why; /* ERR_OK once it is loaded; written under the once */

static void load(
    const char *file, const char *package, const struct function *functions, size_t n, void *table, struct err *why)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		err_set(why, ERR_UNSUPPORTED, "cannot load %s (%s): install the package %s", file, dlerror(), package);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function) {
			err_set(why, ERR_UNSUPPORTED, "%s has no %s: it is too old", file, functions[i].name);
			dlclose(library);
			return;
		}
		memcpy((char *)table + functions[i].at, &function, sizeof(function));
	}
}

static void load_tar(void)
{
	static const struct function functions[] = {
#define X(name) {"archive_" #name, offsetof(struct tar_functions, name)},
	    TAR_FUNCTIONS(X)
#undef X
	};

	load("libarchive.so.13", "libarchive13", functions, ARRAY_LEN(functions), &tar, &tar_why);
}

static void load_zlib(void)
{
	static const struct function functions[] = {
#define X(name) {#name, offsetof(struct zlib_functions, name)},
	    ZLIB_FUNCTIONS(X)
#undef X
	};

	load("libz.so.1", "zlib1g", functions, ARRAY_LEN(functions), &zlib, &zlib_why);
}

static enum err_code once(pthread_once_t *control, void (*fn)(void), const struct err *why, struct err *err)
{
	int rc = pthread_once(control, fn);

	ASSERT(rc == 0);
	return why->code ? err_set(err, why->code, "%s", why->msg) : ERR_OK;
}

enum err_code tar_load(struct err *err)
{
	return once(&tar_once, load_tar, &tar_why, err);
}

enum err_code zlib_load(struct err *err)
{
	return once(&zlib_once, load_zlib, &zlib_why, err);
}

#else

enum err_code tar_load(struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED,
	    "this berth was built without libarchive and zlib: it reads and writes directories of an OCI image layout only");
}

enum err_code zlib_load(struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED,
	    "this berth was built without libarchive and zlib: it cannot read layers of docker save");
}

#endif
