/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - times and durations. Everything is int64_t nanoseconds: `mono` on
 * the monotonic clock (deadlines), `real` since the Unix epoch (what people
 * and databases see). Thread-safe.
 */
#ifndef BERTH_BASE_CLOCK_H
#define BERTH_BASE_CLOCK_H

#include "base/slice.h"

#define CLOCK_US INT64_C(1000)
#define CLOCK_MS INT64_C(1000000)
#define CLOCK_S INT64_C(1000000000)
#define CLOCK_NEVER INT64_MAX

int64_t clock_mono(void);
int64_t clock_real(void);

#define CLOCK_TEXT 40
/* "2026-01-02T03:04:05.678901234Z"; digits: 0, 3, 6 or 9 of the fraction. */
const char *clock_rfc3339(int64_t real, int digits, char out[CLOCK_TEXT]);
/* "Fri, 02 Jan 2026 03:04:05 GMT" (RFC 9110, 5.6.7). */
const char *clock_http(int64_t real, char out[CLOCK_TEXT]);
/* "02/Jan/2026:03:04:05 +0000", as the combined log format writes it. */
const char *clock_clf(int64_t real, char out[CLOCK_TEXT]);
bool clock_parse_rfc3339(struct slice s, int64_t *real) MUST_USE;

/*
 * A duration as Go's time.ParseDuration writes it ("1h30m", "250ms", "-1.5h",
 * "0"); a bare integer is nanoseconds, as registry:2 reads it. False when
 * malformed or out of range.
 */
bool clock_parse_duration(struct slice s, int64_t *out) MUST_USE;
/* "1h30m0s" as Go prints it. */
const char *clock_duration(int64_t d, char out[CLOCK_TEXT]);

#endif
