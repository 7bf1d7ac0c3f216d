/* SPDX-License-Identifier: Apache-2.0 */
/* test_regex.c - Go's regular expressions as POSIX ones: same verdict, or refused by name. */
#include "configtest.h"

#include <string.h>

static const struct {
	const char *go;
	const char *yes[3], *no[3];
} verdicts[] = {
    {"^https?://([^/]+\\.)*example\\.com/", {"http://a.b.example.com/x", "https://example.com/"},
        {"https://example.org/", "https://example.com.evil/"}},
    {"^https?://www\\.example\\.com/", {"http://www.example.com/"}, {"http://wwwxexample.com/"}},
    {"", {"", "anything"}, {NULL}},
    {"^$", {""}, {"a"}},
    {"a\\d+b", {"a12b"}, {"ab", "adb"}},
    {"^\\w+\\s\\W$", {"ab_1 ."}, {"ab_1 a", "-"}},
    {"^[\\w.\\-]+$", {"a.b-c"}, {"a/b"}},
    {"^[\\d\\s]$", {"5", " "}, {"d"}},
    {"^[]a]$", {"]", "a"}, {"b"}},
    {"^[\\]a]$", {"]", "a"}, {"\\"}},
    {"^[^\\]a]$", {"b"}, {"]", "a"}},
    {"^[a^]$", {"a", "^"}, {"b"}},
    {"^[\\^]$", {"^"}, {"a"}},
    {"^[-^]$", {"^", "-"}, {"a"}},
    {"^[\\\\]$", {"\\"}, {"a"}},
    {"^[a-c-]$", {"b", "-"}, {"d"}},
    {"^[[:alpha:]_]$", {"x", "_"}, {"1", ":"}},
    {"^[.:=]$", {":", ".", "="}, {"a"}},
    {"^[[.]$", {"[", "."}, {"a"}},
    {"^[[=]$", {"[", "="}, {"a"}},
    {"^(?:a|b)c$", {"ac", "bc"}, {"c"}},
    {"(?i)^HtTp:", {"http:", "HTTP:"}, {"ftp:"}},
    {"^a.*?b$", {"axxb", "ab"}, {"a"}},
    {"^a{2,3}?$", {"aa", "aaa"}, {"a", "aaaa"}},
    {"^a{2}$", {"aa"}, {"a"}},
    {"^a{x}$", {"a{x}"}, {"a"}},
    {"^{$", {"{"}, {"a"}},
    {"^a/b\\/c$", {"a/b/c"}, {"a"}},
    {"\\bfoo\\b", {"a foo b"}, {"afoob"}},
    {"^(a|)$", {"a", ""}, {"b"}},
};

static void verdicts_are_those_of_go(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		regex_t re;
		const char *why = cfg_regex_compile(&a, verdicts[i].go, &re);

		if (why)
			fail_msg("%s: %s", verdicts[i].go, why);
		for (size_t k = 0; k < 3 && verdicts[i].yes[k]; k++)
			if (regexec(&re, verdicts[i].yes[k], 0, NULL, 0) != 0)
				fail_msg("%s does not match %s", verdicts[i].go, verdicts[i].yes[k]);
		for (size_t k = 0; k < 3 && verdicts[i].no[k]; k++)
			if (regexec(&re, verdicts[i].no[k], 0, NULL, 0) == 0)
				fail_msg("%s matches %s", verdicts[i].go, verdicts[i].no[k]);
		regfree(&re);
	}
	arena_free(&a);
}

static const struct {
	const char *go, *why;
} refused[] = {
    {"(", "a '(' is not closed"},
    {")", "a ')' closes nothing"},
    {"a)", "a ')' closes nothing"},
    {"[a", "a '[' is not closed"},
    {"[]", "a '[' is not closed"},
    {"a\\", "ends with a single backslash"},
    {"[\\", "ends with a single backslash"},
    {"*a", "nothing stands before \"*\" that could be repeated"},
    {"a**", "nothing stands before \"*\" that could be repeated"},
    {"(|+)", "nothing stands before \"+\" that could be repeated"},
    {"^*", "nothing stands before \"*\" that could be repeated"},
    {"(a)\\1", "\"\\1\" is not supported in a regular expression"},
    {"\\pL", "\"\\p\" is not supported in a regular expression"},
    {"\\Aa\\z", "\"\\A\" is not supported in a regular expression"},
    {"(?P<n>a)", "\"(?P\" is not supported in a regular expression"},
    {"(?s:a)", "\"(?s\" is not supported in a regular expression"},
    {"[\\D]", "\"\\D\" is not supported in a regular expression"},
    {"[[:^alpha:]]", "\"[:^\" is not supported in a regular expression"},
    {"[z-a]", "the range \"z-a\" is not supported"},
    {"a{300}", "repeats too often"},
    {"((a{99}){99}){99}", "repeats too often"},
};

static void the_rest_is_refused(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		regex_t re;
		const char *why = cfg_regex_compile(&a, refused[i].go, &re);

		if (!why)
			fail_msg("%s is accepted", refused[i].go);
		if (strcmp(why, refused[i].why) != 0)
			fail_msg("%s: %s instead of %s", refused[i].go, why, refused[i].why);
	}
	arena_free(&a);
}

static void size_and_nesting_are_bounded(void **state)
{
	struct arena a;
	char text[600];
	regex_t re;

	(void)state;
	arena_init(&a, SIZE_MAX);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_string_equal(cfg_regex_compile(&a, text, &re), "longer than 512 bytes");
	memset(text, '(', 100);
	text[100] = '\0';
	assert_string_equal(cfg_regex_compile(&a, text, &re), "too many nested groups");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdicts_are_those_of_go),
	    cmocka_unit_test(the_rest_is_refused),
	    cmocka_unit_test(size_and_nesting_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
