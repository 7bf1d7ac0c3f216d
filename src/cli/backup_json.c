/* SPDX-License-Identifier: Apache-2.0 */
/* backup_json.c - see backup_json.h. */
#include "cli/backup_json.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *key;
	size_t offset;
} counts[] = {
    {"blobs", offsetof(struct backup_report, blobs)},
    {"blobs_total", offsetof(struct backup_report, blobs_total)},
    {"bytes", offsetof(struct backup_report, bytes)},
    {"bytes_total", offsetof(struct backup_report, bytes_total)},
    {"copied", offsetof(struct backup_report, copied)},
    {"missing", offsetof(struct backup_report, missing)},
    {"database", offsetof(struct backup_report, database)},
    {"pruned", offsetof(struct backup_report, pruned)},
};

json_t *backup_report_json(const struct backup_report *r)
{
	json_t *o = json_pack("{s:s}", "name", r->name);

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		uint64_t n;

		memcpy(&n, (const char *)r + counts[i].offset, sizeof(n));
		json_object_set_new(o, counts[i].key, json_integer((json_int_t)n));
	}
	return o;
}

void backup_report_from_json(const json_t *o, struct backup_report *out)
{
	const char *name = json_string_value(json_object_get(o, "name"));

	*out = (struct backup_report){0};
	snprintf(out->name, sizeof(out->name), "%s", name ? name : "");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		json_int_t v = json_integer_value(json_object_get(o, counts[i].key));
		uint64_t n = v > 0 ? (uint64_t)v : 0;

		memcpy((char *)out + counts[i].offset, &n, sizeof(n));
	}
}
