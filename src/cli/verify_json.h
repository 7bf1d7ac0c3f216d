/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_json.h - a verification as JSON objects, for the control socket and
 * the command. The caller owns what is returned.
 */
#ifndef BERTH_CLI_VERIFY_JSON_H
#define BERTH_CLI_VERIFY_JSON_H

#include "jobs/verify.h"

#include <jansson.h>

json_t *verify_report_json(const struct verify_report *r);
json_t *verify_finding_json(const struct verify_finding *f);

#endif
