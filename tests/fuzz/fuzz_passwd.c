/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_passwd.c - htpasswd files. What parses must behave; no hash is computed. */
#include "auth/passwd.h"
#include "base/log.h"

#include <fcntl.h>

static bool ready;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_options quiet = {.level = LOG_LVL_ERROR};
	struct passwd *a, *b;
	struct err err = {.msg = ""};

	if (!ready) {
		quiet.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		log_setup(&quiet);
		ready = true;
	}
	if (passwd_parse("fuzz", slice_of(data, size), &a, &err)) {
		ASSERT(err.msg[0] != '\0');
		return 0;
	}
	ASSERT(passwd_parse("fuzz", slice_of(data, size), &b, &err) == ERR_OK);
	ASSERT(passwd_same(a, b) && passwd_users(a) == passwd_users(b));
	passwd_free(a);
	passwd_free(b);
	return 0;
}
