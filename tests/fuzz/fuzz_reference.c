/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_reference.c - names, tags, references and digests. The grammars are held
 * against the regular expressions of the specifications, matched by the C
 * library; what is a digest must be written as it was read.
 */
#include "registry/reference.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
#define NAME "^" COMPONENT "(/" COMPONENT ")*$"
#define TAG "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"
#define DIGEST "^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"
#define OFFERED "^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$"
#define OUR_ALGORITHM "^(sha256|sha512):"

enum { RE_NAME, RE_TAG, RE_DIGEST, RE_OFFERED, RE_OUR_ALGORITHM, RE_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static regex_t compiled[RE_COUNT];

static void compile_all(void)
{
	static const char *const text[RE_COUNT] = {NAME, TAG, DIGEST, OFFERED, OUR_ALGORITHM};

	if (compiled[0].re_nsub)
		return;
	for (size_t i = 0; i < RE_COUNT; i++)
		ASSERT(regcomp(&compiled[i], text[i], REG_EXTENDED) == 0);
}

/* A NUL byte matches nothing; the expressions know nothing of a newline's meaning. */
static bool matches(size_t which, const char *text, size_t size)
{
	return strlen(text) == size && regexec(&compiled[which], text, 0, NULL, 0) == 0;
}

static void check_digest(struct slice s, const char *text)
{
	struct digest d;
	enum digest_verdict want = DIGEST_MALFORMED;
	char back[DIGEST_TEXT];
	uint8_t packed[DIGEST_PACKED];

	if (matches(RE_OFFERED, text, s.n))
		want = DIGEST_VALID;
	else if (matches(RE_DIGEST, text, s.n) && !matches(RE_OUR_ALGORITHM, text, s.n))
		want = DIGEST_UNSUPPORTED;
	ASSERT(digest_parse(s, &d) == want);
	if (want == DIGEST_VALID) {
		struct digest again;

		ASSERT(slice_eq_cstr(s, digest_format(&d, back)));
		ASSERT(digest_unpack(packed, digest_pack(&d, packed), &again) && digest_eq(&d, &again));
	}
	/* Whatever bytes: unpacking finds out whether they are a packed digest. */
	if (digest_unpack(s.p, s.n, &d))
		ASSERT(digest_pack(&d, packed) == s.n && memcmp(packed, s.p, s.n) == 0);
}

static void check_reference(struct slice s, const char *text)
{
	struct reference ref;
	enum reference_verdict got = reference_parse(s, &ref);
	bool colon = slice_find(s, ':') >= 0;

	ASSERT((got == REFERENCE_OK) == matches(colon ? RE_OFFERED : RE_TAG, text, s.n));
	if (got == REFERENCE_OK) {
		ASSERT(ref.is_tag == !colon);
		ASSERT(colon || slice_eq(ref.tag, s));
	} else {
		ASSERT((got == REFERENCE_BAD_TAG) == !colon);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[1024];
	const char *why = NULL;
	struct slice s = slice_of(data, size);
	bool valid;

	if (size >= sizeof(text))
		return 0;
	compile_all();
	memcpy(text, data, size);
	text[size] = '\0';
	valid = reference_name_valid(s, &why);
	ASSERT(valid == (size <= REFERENCE_NAME_MAX && matches(RE_NAME, text, size)));
	ASSERT(valid || why);
	ASSERT(reference_tag_valid(s) == matches(RE_TAG, text, size));
	check_digest(s, text);
	check_reference(s, text);
	return 0;
}
