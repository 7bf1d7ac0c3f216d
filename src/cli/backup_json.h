/* SPDX-License-Identifier: Apache-2.0 */
/* backup_json.h - the progress of a backup as the control socket sends it. */
#ifndef BERTH_CLI_BACKUP_JSON_H
#define BERTH_CLI_BACKUP_JSON_H

#include "transfer/backup.h"

#include <jansson.h>

json_t *backup_report_json(const struct backup_report *r);
/* What is missing or makes no sense is 0. */
void backup_report_from_json(const json_t *o, struct backup_report *out);

#endif
