/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs with marks: against a plain table, and the ends of the range. */
#include "base/pairs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void empty(void **state)
{
	struct pairs p = PAIRS_INIT;
	size_t at = 0;

	assert_int_equal(pairs_get(&p, 1, 2), 0);
	pairs_unmark(&p, 1, 2, 1);
	assert_null(pairs_next(&p, &at));
	pairs_free(&p);
	pairs_free(&p);
}

static void marks(void **state)
{
	struct pairs p = PAIRS_INIT;

	assert_true(pairs_mark(&p, 1, 2, 1));
	assert_true(pairs_mark(&p, 1, 2, 128));
	assert_true(pairs_mark(&p, 2, 1, 4));
	assert_int_equal(pairs_get(&p, 1, 2), 129);
	assert_int_equal(pairs_get(&p, 2, 1), 4);
	assert_int_equal(p.n, 2);
	pairs_unmark(&p, 1, 2, 1);
	pairs_unmark(&p, 7, 7, 1);
	assert_int_equal(pairs_get(&p, 1, 2), 128);
	assert_true(pairs_mark(&p, INT64_MIN, INT64_MAX, 1));
	assert_true(pairs_mark(&p, 0, 0, 2));
	assert_true(pairs_mark(&p, -1, -1, 3));
	assert_int_equal(pairs_get(&p, INT64_MIN, INT64_MAX), 1);
	assert_int_equal(pairs_get(&p, 0, 0), 2);
	assert_int_equal(pairs_get(&p, -1, -1), 3);
	assert_int_equal(pairs_get(&p, INT64_MAX, INT64_MIN), 0);
	pairs_free(&p);
}

/* Ids as a database gives them, and far apart. */
static void against_a_table(void **state)
{
	enum { A = 300, B = 200 };
	static const int64_t scales[] = {1, 64, 1 << 20, INT64_C(1) << 40};
	uint8_t *table = calloc(A, B);
	unsigned seed = 1;

	for (size_t s = 0; s < ARRAY_LEN(scales); s++) {
		struct pairs p = PAIRS_INIT;
		size_t n = 0, at = 0;

		memset(table, 0, (size_t)A * B);
		for (size_t i = 0; i < 40000; i++) {
			int a = rand_r(&seed) % A, b = rand_r(&seed) % B;
			uint8_t more = (uint8_t)(1 << rand_r(&seed) % 8);

			n += table[a * B + b] == 0;
			table[a * B + b] |= more;
			assert_true(pairs_mark(&p, a * scales[s], b, more));
		}
		assert_int_equal(p.n, n);
		for (int a = 0; a < A; a++) {
			for (int b = 0; b < B; b++)
				assert_int_equal(pairs_get(&p, a * scales[s], b), table[a * B + b]);
		}
		for (const struct pair *x; (x = pairs_next(&p, &at)) != NULL; n--) {
			assert_int_equal(x->marks, table[x->a / scales[s] * B + x->b]);
			table[x->a / scales[s] * B + x->b] = 0;
		}
		assert_int_equal(n, 0);
		pairs_free(&p);
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty),
	    cmocka_unit_test(marks),
	    cmocka_unit_test(against_a_table),
	};
	return cmocka_run_group_tests_name("base pairs", tests, NULL, NULL);
}
