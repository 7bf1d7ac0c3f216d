/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - scalars: from the text of the file to the typed value and back. */
#include "base/clock.h"
#include "base/codec.h"
#include "config/internal.h"

#include <string.h>

#define MAX_QUOTED 80

/* The value as a message may quote it. */
static const char *quoted(struct arena *a, const char *text)
{
	struct slice s = slice_cstr(text);

	if (s.n <= MAX_QUOTED)
		return cfg_printf(a, "\"%s\"", text);
	for (s.n = MAX_QUOTED; s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80; s.n--)
		continue;
	return cfg_printf(a, "\"%.*s...\"", SLICE_ARG(s));
}

/* The words of YAML 1.1, which registry:2 follows. */
bool cfg_value_bool(const char *text, bool *out)
{
	static const char *const words[2][11] = {
	    {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"},
	    {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"},
	};

	for (int v = 0; v < 2; v++) {
		for (size_t i = 0; i < ARRAY_LEN(words[v]); i++) {
			if (strcmp(text, words[v][i]) == 0) {
				*out = v;
				return true;
			}
		}
	}
	return false;
}

static const char *read_bool(struct arena *a, const char *text, bool *out)
{
	if (cfg_value_bool(text, out))
		return NULL;
	return cfg_printf(a, "must be true or false, not %s", quoted(a, text));
}

static int64_t upper_bound(const struct config_key *key)
{
	return key->max ? key->max : INT64_MAX;
}

static const char *read_int(struct arena *a, const struct config_key *key, const char *text, int64_t *out)
{
	uint64_t n;
	struct slice s = slice_cstr(text);
	bool plain = s.n == 1 || s.p[0] != '0'; /* 010 is 8 to YAML 1.1 and 10 to people */

	if (plain && slice_u64(s, (uint64_t)upper_bound(key), &n) && (int64_t)n >= key->min) {
		*out = (int64_t)n;
		return NULL;
	}
	if (key->max)
		return cfg_printf(a, "must be a number from %lld to %lld, not %s", (long long)key->min,
		    (long long)key->max, quoted(a, text));
	return cfg_printf(a, "must be a number of at least %lld, not %s", (long long)key->min, quoted(a, text));
}

static const struct {
	const char *name;
	uint64_t bytes;
} units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

static bool parse_size(struct slice s, int64_t *out)
{
	struct slice digits = s, unit;
	uint64_t n;

	for (digits.n = 0; digits.n < s.n && s.p[digits.n] >= '0' && s.p[digits.n] <= '9'; digits.n++)
		continue;
	unit = slice_trim(slice_from(s, digits.n));
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!slice_eq_cstr(unit, units[i].name))
			continue;
		if (!slice_u64(digits, (uint64_t)INT64_MAX / units[i].bytes, &n))
			return false;
		*out = (int64_t)(n * units[i].bytes);
		return true;
	}
	return false;
}

static void write_size(int64_t v, struct buf *out)
{
	static const struct {
		const char *name;
		int shift;
	} binary[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};

	for (size_t i = 0; v > 0 && i < ARRAY_LEN(binary); i++) {
		if (v % (INT64_C(1) << binary[i].shift) == 0) {
			buf_addf(out, "%lld%s", (long long)(v >> binary[i].shift), binary[i].name);
			return;
		}
	}
	buf_addf(out, "%lld", (long long)v);
}

static const char *read_size(struct arena *a, const struct config_key *key, const char *text, int64_t *out)
{
	CLEANUP(buf_free) struct buf low = BUF_INIT(64), high = BUF_INIT(64);
	const char *why;
	int64_t v;

	if (!parse_size(slice_cstr(text), &v))
		return cfg_printf(a, "must be a size such as 65536, 64KiB or 4MiB, not %s", quoted(a, text));
	if (v >= key->min && v <= upper_bound(key)) {
		*out = v;
		return NULL;
	}
	write_size(key->min, &low);
	write_size(upper_bound(key), &high);
	why = cfg_printf(a, "must be from %s to %s, not %s", buf_cstr(&low), buf_cstr(&high), quoted(a, text));
	buf_free(&high);
	return why;
}

static const char *read_duration(struct arena *a, const struct config_key *key, const char *text, int64_t *out)
{
	char low[CLOCK_TEXT];
	int64_t v;

	if (!clock_parse_duration(slice_cstr(text), &v))
		return cfg_printf(a, "must be a duration such as 30s, 5m or 1h30m, not %s", quoted(a, text));
	if (v < key->min)
		return cfg_printf(a, "must be at least %s, not %s%s", clock_duration(key->min, low), quoted(a, text),
		    v > 0 && strspn(text, "0123456789") == strlen(text) ? " (a number without a unit is nanoseconds)"
		                                                        : "");
	*out = v;
	return NULL;
}

static const struct key_choice *find_choice(const struct config_key *key, const char *text)
{
	const struct key_choice *c;

	for (c = key->choices; c->name; c++)
		if (slice_eq_icase(slice_cstr(text), slice_cstr(c->name)))
			return c;
	return NULL;
}

static const char *read_choice(
    struct arena *a, const struct config_key *key, const char *text, const struct key_choice **out)
{
	CLEANUP(buf_free) struct buf names = BUF_INIT(1024);
	const struct key_choice *c = find_choice(key, text);

	*out = c;
	if (c && c->refused)
		return cfg_printf(a, "%s is refused: %s", quoted(a, text), c->refused);
	if (c)
		return NULL;
	for (c = key->choices; c->name; c++)
		if (!c->refused)
			buf_addf(&names, "%s%s", names.n ? ", " : "", c->name);
	return cfg_printf(a, "must be one of %s, not %s", buf_cstr(&names), quoted(a, text));
}

static const char *read_string(struct arena *a, const struct config_key *key, const char *text, const char **out)
{
	const struct key_choice *c;
	const char *why;

	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "holds a line break or another control character";
	if (key->choices) {
		why = read_choice(a, key, text, &c);
		if (why)
			return why;
		text = c->name;
	}
	*out = *text ? cfg_strdup(a, slice_cstr(text)) : NULL;
	return NULL;
}

const char *cfg_value_read(struct arena *a, const struct config_key *key, const char *text, void *to)
{
	const struct key_choice *c;
	const char *why;

	switch (key->type) {
	case KEY_BOOL:
		return read_bool(a, text, to);
	case KEY_INT:
		return read_int(a, key, text, to);
	case KEY_SIZE:
		return read_size(a, key, text, to);
	case KEY_DURATION:
		return read_duration(a, key, text, to);
	case KEY_ENUM:
		why = read_choice(a, key, text, &c);
		if (!why)
			memcpy(to, &c->value, sizeof(c->value));
		return why;
	default:
		return read_string(a, key, text, to);
	}
}

void cfg_value_write(const struct config_key *key, const void *from, struct buf *out)
{
	char text[CLOCK_TEXT];
	int choice;

	switch (key->type) {
	case KEY_BOOL:
		buf_adds(out, *(const bool *)from ? "true" : "false");
		break;
	case KEY_INT:
		buf_addf(out, "%lld", (long long)*(const int64_t *)from);
		break;
	case KEY_SIZE:
		write_size(*(const int64_t *)from, out);
		break;
	case KEY_DURATION:
		buf_adds(out, clock_duration(*(const int64_t *)from, text));
		break;
	case KEY_ENUM:
		memcpy(&choice, from, sizeof(choice));
		buf_adds(out, cfg_key_choice_name(key, choice));
		break;
	default:
		buf_add_json(out, slice_cstr(*(const char *const *)from));
	}
}
