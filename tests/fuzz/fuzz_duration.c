/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_duration.c - durations, dates and the encodings of codec.h: what is read
 * and written again reads the same.
 */
#include "base/clock.h"
#include "base/codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_times(struct slice s)
{
	char text[CLOCK_TEXT];
	int64_t v, again;

	if (clock_parse_duration(s, &v)) {
		clock_duration(v, text);
		ASSERT(clock_parse_duration(slice_cstr(text), &again) && v == again);
	}
	if (clock_parse_rfc3339(s, &v)) {
		clock_rfc3339(v, 9, text);
		ASSERT(clock_parse_rfc3339(slice_cstr(text), &again) && v == again);
	}
}

static void check_base64(struct slice s)
{
	struct buf bytes = BUF_INIT(s.n), again = BUF_INIT(s.n), text = BUF_INIT(s.n * 2 + 4);

	if (base64_decode(&bytes, s)) {
		base64_encode(&text, bytes.p, bytes.n);
		ASSERT(base64_decode(&again, buf_slice(&text)) && slice_eq(buf_slice(&bytes), buf_slice(&again)));
		/* One value, one spelling, but for alphabet and padding. */
		while (s.n && s.p[s.n - 1] == '=')
			s.n--;
		buf_clear(&text);
		base64url_encode(&text, bytes.p, bytes.n);
		ASSERT(text.n == s.n);
	}
	buf_free(&bytes);
	buf_free(&again);
	buf_free(&text);
}

static void check_percent(struct slice s)
{
	struct buf plain = BUF_INIT(s.n), again = BUF_INIT(s.n), text = BUF_INIT(s.n * 3);

	if (percent_decode(&plain, s, true)) {
		buf_add_urlenc(&text, buf_slice(&plain));
		ASSERT(buf_ok(&text) && percent_decode(&again, buf_slice(&text), true));
		ASSERT(slice_eq(buf_slice(&plain), buf_slice(&again)));
	}
	buf_free(&plain);
	buf_free(&again);
	buf_free(&text);
}

/* Whatever goes in, a JSON string is UTF-8 and has no end inside. */
static void check_json(struct slice s)
{
	struct buf text = BUF_INIT(s.n * 6 + 2);

	buf_add_json(&text, s);
	ASSERT(buf_ok(&text) && utf8_valid(buf_slice(&text)));
	for (size_t i = 1; i + 1 < text.n; i++) {
		ASSERT((unsigned char)text.p[i] >= 0x20 && text.p[i] != '"');
		i += text.p[i] == '\\';
	}
	ASSERT(!utf8_valid(s) || memmem(s.p, s.n, "\xEF\xBF\xBD", 3) || !strstr(text.p, "\xEF\xBF\xBD"));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);

	check_times(s);
	check_base64(s);
	check_percent(s);
	if (size)
		check_json(s);
	return 0;
}
