/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - the process itself: its limits, its memory, its signals, and the
 * series that describe it.
 */
#ifndef BERTH_CLI_PROCESS_H
#define BERTH_CLI_PROCESS_H

#include "base/defs.h"

/* Raises the limit of descriptors, tames the allocator, ignores SIGPIPE. First
 * thing in a server. */
void process_prepare(void);

/* Blocks the signals that process_wait answers to; before the first thread. */
void process_block_signals(void);

enum process_event { PROCESS_STOP, PROCESS_RELOAD };
/* Waits for SIGTERM or SIGINT (stop), or SIGHUP (reload). */
enum process_event process_wait(void);
/* From now on SIGTERM and SIGINT end the process at once. */
void process_signals_kill(void);

/* process_start_time_seconds, process_threads, process_open_fds,
 * process_max_fds, berth_build_info; once a process. */
void process_metrics_register(void);
/* Threads of this process. */
unsigned process_threads(void);
/* Seconds since this program was started. */
double process_uptime(void);

#endif
