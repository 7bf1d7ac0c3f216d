/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrations.h - the schema and how it came to be: numbered steps, each of
 * which runs once. A step that was released is never edited; a change of the
 * schema is a new step at the end of the table in migrations.c.
 */
#ifndef BERTH_META_MIGRATIONS_H
#define BERTH_META_MIGRATIONS_H

#include "meta/engine.h"

/* The schema this program knows. */
int migrations_newest(void);
/* Brings the database to it, all missing steps in one transaction. ERR_UNSUPPORTED
 * when the database is ahead of the program. `where` names it in messages. */
enum err_code migrations_apply(struct conn *c, const char *where, struct err *err) MUST_USE;

#endif
