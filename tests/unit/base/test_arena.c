/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_arena.c - request memory. Compiled twice: on the library as it is (under
 * AddressSanitizer each allocation stands alone), and with CHUNKS around the
 * source itself, so that cutting chunks is watched in every build.
 */
#include "unit.h"

#ifdef CHUNKS
#define ARENA_SEPARATE 0
#include "../../../src/base/arena.c"
#else
#include "base/arena.h"
#endif

static void test_alignment_and_zeroes(void **state)
{
	static const char zeroes[20000];
	struct arena a;

	arena_init(&a, 1 << 20);
	/* Dirty the memory that the second round is cut from. */
	for (int round = 0; round < 2; round++) {
		for (size_t n = 0; n < 6000; n = n * 2 + 1) {
			char *p = arena_alloc(&a, n);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			assert_memory_equal(p, zeroes, n);
			memset(p, 0xAA, n);
		}
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	assert_false(a.overflow);
	arena_free(&a);
}

static void test_allocations_do_not_overlap(void **state)
{
	struct arena a;
	unsigned char *p[300];

	arena_init(&a, 1 << 20);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		p[i] = arena_alloc(&a, i * 7 + 1);
		memset(p[i], (int)(i & 0xff), i * 7 + 1);
	}
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		for (unsigned k = 0; k < i * 7 + 1; k++)
			assert_int_equal(p[i][k], i & 0xff);
	}
	arena_free(&a);
}

/* Nothing at all is an allocation as well, even the first one. */
static void test_nothing(void **state)
{
	struct arena a;
	char *p, *q;

	arena_init(&a, 100);
	p = arena_alloc(&a, 0);
	q = arena_alloc(&a, 0);
	assert_non_null(p);
	assert_non_null(q);
	assert_ptr_not_equal(p, q);
	assert_false(a.overflow);
	arena_free(&a);
}

static void test_overflow_latches(void **state)
{
	struct arena a;

	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 60));
	assert_null(arena_alloc(&a, 41));
	assert_true(a.overflow);
	/* What still fits is given; the latch tells that something was not. */
	assert_non_null(arena_alloc(&a, 40));
	assert_null(arena_alloc(&a, 1));
	assert_true(a.overflow);
	arena_reset(&a);
	assert_false(a.overflow);
	assert_non_null(arena_alloc(&a, 100));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_true(a.overflow);
	arena_free(&a);
	assert_false(a.overflow);
	assert_int_equal(a.max, 100);
	assert_non_null(arena_alloc(&a, 100));
	arena_free(&a);
}

static void test_large_between_small(void **state)
{
	struct arena a;
	char *small, *large, *next;

	arena_init(&a, 1 << 20);
	large = arena_alloc(&a, 100000); /* the very first one */
	small = arena_alloc(&a, 10);
	memset(large, 1, 100000);
	memset(small, 2, 10);
	next = arena_alloc(&a, 200000);
	memset(next, 3, 200000);
	assert_int_equal(large[99999], 1);
	assert_int_equal(small[9], 2);
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 16 * 1024));
	assert_non_null(arena_alloc(&a, 4 * 1024));
	assert_non_null(arena_alloc(&a, 4 * 1024 + 1));
	arena_free(&a);
}

static void test_texts(void **state)
{
	struct arena a;
	struct slice s;
	char *p;

	arena_init(&a, 1000);
	p = arena_strdup(&a, slice_of("abcdef", 3));
	assert_string_equal(p, "abc");
	assert_string_equal(arena_strdup(&a, SLICE_NONE), "");
	s = arena_copy(&a, slice_of("abcdef", 3));
	assert_slice(s, "abc");
	assert_int_equal(s.p[3], '\0');
	s = arena_copy(&a, SLICE(""));
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
	/* Absent stays absent: it means something else than empty. */
	assert_absent(arena_copy(&a, SLICE_NONE));
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	assert_false(a.overflow);
	assert_null(arena_printf(&a, "%2000d", 1));
	assert_true(a.overflow);
	arena_reset(&a);
	assert_absent(arena_copy(&a, slice_of(memset(arena_alloc(&a, 600), 'x', 600), 600)));
	assert_true(a.overflow);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alignment_and_zeroes),
	    cmocka_unit_test(test_allocations_do_not_overlap),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_overflow_latches),
	    cmocka_unit_test(test_large_between_small),
	    cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
