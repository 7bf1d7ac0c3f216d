/* SPDX-License-Identifier: Apache-2.0 */
/* test_digest.c - digests as text, packed, and computed. */
#include "unit.h"

#include "base/digest.h"
#include "base/sync.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32
#define EMPTY256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EMPTY512 \
	"sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" \
	"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
#define ABC256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC512 \
	"sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

/* The examples of the image specification (descriptor.md, "Digests") are among
 * them. */
static void test_parse(void **state)
{
	static const struct {
		const char *text;
		enum digest_verdict want;
	} rows[] = {
	    {"sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b", DIGEST_VALID},
	    {"sha512:401b09eab3c013d4ca54922bb802bec8fd5318192b0a75f201d8b3727429080fb337591abd3e44453b954555b7a0812e1081c3"
	     "9b740293f765eae731f5a65ed1",
	        DIGEST_VALID},
	    {EMPTY256, DIGEST_VALID},
	    {EMPTY512, DIGEST_VALID},
	    {"multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", DIGEST_UNSUPPORTED},
	    {"sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564", DIGEST_UNSUPPORTED},
	    {"blake3:" HEX64, DIGEST_UNSUPPORTED},
	    {"sha384:" HEX64 HEX32, DIGEST_UNSUPPORTED},
	    {"md5:" HEX32, DIGEST_UNSUPPORTED},
	    {"a:b", DIGEST_UNSUPPORTED},
	    {"a.b_c-d+e:x=", DIGEST_UNSUPPORTED},
	    {"", DIGEST_MALFORMED},
	    {":", DIGEST_MALFORMED},
	    {"sha256", DIGEST_MALFORMED},
	    {"sha256:", DIGEST_MALFORMED},
	    {":" HEX64, DIGEST_MALFORMED},
	    {"sha256:" HEX64 "0", DIGEST_MALFORMED},
	    {"sha256:" HEX32, DIGEST_MALFORMED},
	    {"sha512:" HEX64, DIGEST_MALFORMED},
	    {"sha256:0123456789ABCDEF0123456789abcdef" HEX32, DIGEST_MALFORMED},
	    {"sha256:g123456789abcdef0123456789abcdef" HEX32, DIGEST_MALFORMED},
	    {"SHA256:" HEX64, DIGEST_MALFORMED},
	    {"sha256: " HEX64, DIGEST_MALFORMED},
	    {"sha256:" HEX64 "\n", DIGEST_MALFORMED},
	    {"sha256:" HEX32 "/" HEX32, DIGEST_MALFORMED},
	    {"sha256:" HEX64 ":", DIGEST_MALFORMED},
	    {"+sha:x", DIGEST_MALFORMED},
	    {"sha+:x", DIGEST_MALFORMED},
	    {"sha++256:x", DIGEST_MALFORMED},
	    {"sha/256:x", DIGEST_MALFORMED},
	    {"blake3:x%y", DIGEST_MALFORMED},
	};
	struct digest d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum digest_verdict got = digest_parse(slice_cstr(rows[i].text), &d);
		char text[DIGEST_TEXT];

		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].text, got, rows[i].want);
		if (got == DIGEST_VALID)
			assert_string_equal(digest_format(&d, text), rows[i].text);
	}
	assert_int_equal(digest_parse(SLICE_NONE, &d), DIGEST_MALFORMED);
	assert_int_equal(digest_parse(SLICE("sha\0:x"), &d), DIGEST_MALFORMED);
	assert_int_equal(digest_parse(SLICE("blake3:x\0"), &d), DIGEST_MALFORMED);
}

static void test_algorithms(void **state)
{
	assert_int_equal(digest_size(DIGEST_SHA256), 32);
	assert_int_equal(digest_size(DIGEST_SHA512), 64);
	assert_int_equal(digest_size(DIGEST_NONE), 0);
	assert_int_equal(digest_size((enum digest_alg)77), 0);
	assert_string_equal(digest_alg_name(DIGEST_SHA256), "sha256");
	assert_string_equal(digest_alg_name(DIGEST_SHA512), "sha512");
	assert_string_equal(digest_alg_name((enum digest_alg)77), "");
	assert_int_equal(digest_alg_parse(SLICE("sha256")), DIGEST_SHA256);
	assert_int_equal(digest_alg_parse(SLICE("sha512")), DIGEST_SHA512);
	assert_int_equal(digest_alg_parse(SLICE("SHA256")), DIGEST_NONE);
	assert_int_equal(digest_alg_parse(SLICE("")), DIGEST_NONE);
	assert_int_equal(digest_alg_parse(SLICE_NONE), DIGEST_NONE);
}

static struct digest digest_from(const char *text)
{
	struct digest d;

	assert_int_equal(digest_parse(slice_cstr(text), &d), DIGEST_VALID);
	return d;
}

static void test_equality(void **state)
{
	struct digest a = digest_from(EMPTY256), b = digest_from(ABC256), wide = digest_from("sha512:" HEX64 HEX64);
	struct digest narrow = digest_from("sha256:" HEX64);

	assert_true(digest_eq(&a, &a));
	assert_false(digest_eq(&a, &b));
	/* The algorithm is part of what a digest is. */
	assert_memory_equal(wide.bytes, narrow.bytes, 32);
	assert_false(digest_eq(&wide, &narrow));
	wide.bytes[63] ^= 1;
	assert_false(digest_eq(&wide, &(struct digest){DIGEST_SHA512, {0}}));
}

static void test_packing(void **state)
{
	static const char *const texts[] = {EMPTY256, ABC512};
	uint8_t packed[DIGEST_PACKED + 1];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct digest d = digest_from(texts[i]), back;
		size_t n = digest_pack(&d, packed);

		assert_int_equal(n, digest_size(d.alg) + 1);
		assert_int_equal(packed[0], d.alg);
		assert_true(digest_unpack(packed, n, &back));
		assert_memory_equal(&d, &back, sizeof(d)); /* unused tail included */
		assert_false(digest_unpack(packed, n - 1, &back));
		assert_false(digest_unpack(packed, n + 1, &back));
		packed[0] = 0;
		assert_false(digest_unpack(packed, n, &back));
		packed[0] = 3;
		assert_false(digest_unpack(packed, n, &back));
	}
	assert_false(digest_unpack(NULL, 0, &(struct digest){0}));
}

static void test_at_once(void **state)
{
	static const struct {
		enum digest_alg alg;
		const char *text, *want;
	} rows[] = {
	    {DIGEST_SHA256, "", EMPTY256},
	    {DIGEST_SHA512, "", EMPTY512},
	    {DIGEST_SHA256, "abc", ABC256},
	    {DIGEST_SHA512, "abc", ABC512},
	};
	char text[DIGEST_TEXT];
	struct digest d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		digest_of(rows[i].alg, rows[i].text, strlen(rows[i].text), &d);
		assert_string_equal(digest_format(&d, text), rows[i].want);
	}
	digest_of(DIGEST_SHA256, NULL, 0, &d);
	assert_string_equal(digest_format(&d, text), EMPTY256);
}

/* In pieces of any size, looked at in between, the hash is that of the whole. */
static void test_running(void **state)
{
	static const enum digest_alg algs[] = {DIGEST_SHA256, DIGEST_SHA512};
	uint8_t bytes[5000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t k = 0; k < ARRAY_LEN(algs); k++) {
		for (size_t step = 1; step < sizeof(bytes); step = step * 3 + 1) {
			struct hasher *h = hasher_new(algs[k]);
			struct digest got, want;

			for (size_t at = 0; at < sizeof(bytes); at += step) {
				size_t n = sizeof(bytes) - at < step ? sizeof(bytes) - at : step;

				hasher_update(h, bytes + at, n);
				hasher_update(h, NULL, 0);
				hasher_digest(h, &got);
				digest_of(algs[k], bytes, at + n, &want);
				assert_true(digest_eq(&got, &want));
			}
			assert_int_equal(hasher_alg(h), algs[k]);
			hasher_free(&h);
			assert_null(h);
			hasher_free(&h);
		}
	}
}

static void *hash_a_lot(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct digest d;
		char text[DIGEST_TEXT];

		digest_of(DIGEST_SHA256, "abc", 3, &d);
		if (strcmp(digest_format(&d, text), ABC256) != 0)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[8];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "hash", 256 * 1024, false, hash_a_lot, t), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *wrong;

		assert_int_equal(pthread_join(t[i], &wrong), 0);
		assert_null(wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    /* first, so that the algorithms are loaded by threads that race */
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_algorithms),
	    cmocka_unit_test(test_equality),
	    cmocka_unit_test(test_packing),
	    cmocka_unit_test(test_at_once),
	    cmocka_unit_test(test_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
