/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offline.h - what commands that work on the data share: the configuration,
 * the storage and database of a registry that nobody serves right now, and how
 * progress is shown.
 */
#ifndef BERTH_CLI_OFFLINE_H
#define BERTH_CLI_OFFLINE_H

#include "config/config.h"
#include "meta/meta.h"
#include "storage/storage.h"

/* Everything that was found in the configuration, errors or not, on stderr. */
void offline_show_problems(const struct config_problems *problems);
/* The configuration of `path` (NULL: as `serve` finds it), quietly unless it has
 * errors; NULL after having shown them. The log is set to warnings on stderr. */
struct config *offline_config(const char *path);

struct offline {
	struct storage *storage;
	struct meta *meta;
};
/* ERR_BUSY while another process has the directory. */
enum err_code offline_open(const struct config *cfg, struct offline *o, struct err *err) MUST_USE;
/* The same for a registry that must be there: where it has no database yet, opening
 * would make an empty one. `doing` is what it is wanted for, like "back up". */
enum err_code offline_open_existing(
    const struct config *cfg, const char *doing, struct offline *o, struct err *err) MUST_USE;
void offline_close(struct offline *o);

/* "1.5 GiB" */
const char *human_bytes(uint64_t n, char out[32]);

/* A bar on stderr, when that is a terminal, redrawn at most ten times a second. */
struct bar {
	bool on;
	int64_t shown;
};
void bar_init(struct bar *b, bool wanted);
void bar_show(struct bar *b, uint64_t done, uint64_t total, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Before other output, and at the end. */
void bar_clear(struct bar *b);

#endif
