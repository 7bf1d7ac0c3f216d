/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - reads an archive, plans, checks and stores; see load.h. */
#include "transfer/load_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

void load_note(struct load *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->control->note)
		l->control->note(text, l->control->arg);
}

enum err_code load_run(
    const struct load_options *o, struct source *s, const struct load_control *control, struct err *err)
{
	struct load l = {.o = o, .control = control, .index = BUF_INIT(0), .manifest = BUF_INIT(0)};
	enum err_code rc;

	arena_init(&l.arena, ARENA_MAX);
	rc = load_receive(&l, s, err);
	if (rc == ERR_OK)
		rc = load_plan(&l, err);
	if (rc == ERR_OK)
		rc = load_check(&l, err);
	if (rc == ERR_OK)
		rc = load_store(&l, err);
	load_free_files(&l);
	buf_free(&l.index);
	buf_free(&l.manifest);
	free(l.entries);
	for (size_t i = 0; i < l.nimages; i++)
		free(l.images[i].tags);
	digest_set_free(&l.image_names);
	digest_set_free(&l.tag_names);
	free(l.tag_images);
	free(l.images);
	free(l.nodes);
	arena_free(&l.arena);
	return rc;
}
