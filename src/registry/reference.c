/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - names, tags and references; see reference.h. */
#include "registry/reference.h"

static bool is_alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The separator at the start of s: ".", "_", "__" or any number of dashes. */
static size_t separator(struct slice s)
{
	size_t n = 0;

	if (s.p[0] == '.')
		return 1;
	if (s.p[0] == '_')
		return s.n > 1 && s.p[1] == '_' ? 2 : 1;
	while (n < s.n && s.p[n] == '-')
		n++;
	return n;
}

static bool component_valid(struct slice s, const char **why)
{
	size_t i = 0;

	if (s.n == 0) {
		*why = "it has an empty component";
		return false;
	}
	while (i < s.n) {
		if (is_alnum_lower(s.p[i])) {
			i++;
			continue;
		}
		size_t sep = separator(slice_from(s, i));
		if (sep == 0) {
			*why = "only lower-case letters, digits, '.', '_', '-' and '/' are allowed";
			return false;
		}
		if (i == 0 || i + sep >= s.n || !is_alnum_lower(s.p[i + sep])) {
			*why = "'.', '_', '__' or '-' must stand between letters or digits";
			return false;
		}
		i += sep;
	}
	return true;
}

bool reference_name_valid(struct slice name, const char **why)
{
	struct slice rest = name;

	if (name.n > REFERENCE_NAME_MAX) {
		*why = "it is longer than 255 bytes";
		return false;
	}
	do {
		if (!component_valid(slice_cut(&rest, '/'), why))
			return false;
	} while (rest.p);
	return true;
}

bool reference_tag_valid(struct slice tag)
{
	if (tag.n == 0 || tag.n > REFERENCE_TAG_MAX)
		return false;
	for (size_t i = 0; i < tag.n; i++) {
		char c = tag.p[i];
		bool word = is_alnum_lower(c) || (c >= 'A' && c <= 'Z') || c == '_';

		if (!word && (i == 0 || (c != '.' && c != '-')))
			return false;
	}
	return true;
}

enum reference_verdict reference_parse(struct slice s, struct reference *out)
{
	*out = (struct reference){0};
	if (slice_find(s, ':') < 0) {
		out->is_tag = true;
		out->tag = s;
		return reference_tag_valid(s) ? REFERENCE_OK : REFERENCE_BAD_TAG;
	}
	switch (digest_parse(s, &out->digest)) {
	case DIGEST_VALID:
		return REFERENCE_OK;
	case DIGEST_UNSUPPORTED:
		return REFERENCE_UNKNOWN_ALGORITHM;
	case DIGEST_MALFORMED:
		break;
	}
	return REFERENCE_BAD_DIGEST;
}
