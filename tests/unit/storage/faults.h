/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - a table of file system calls that fails the n-th call, once or from
 * then on, and one that notes what a power cut would undo. Not for threads.
 */
#ifndef BERTH_TESTS_FAULTS_H
#define BERTH_TESTS_FAULTS_H

#include "base/fsys.h"

/* ---- failing ---------------------------------------------------------------- */

enum faults_mode {
	FAULTS_ONCE,   /* the n-th call */
	FAULTS_FOREVER /* and all that follow but close, as on a full or broken disk */
};

/* Puts the failing table in force: the n-th call (from 1) fails with `sys`. A
 * write that is to fail writes half of its bytes and fails on the next call. */
void faults_arm(unsigned n, int sys, enum faults_mode mode);
/* Ends it; the name of the first call that failed, NULL when none did. */
const char *faults_disarm(void);
/* The system, but that nobody waits for the disk. In force after faults_disarm
 * and cuts_unwatch. */
void faults_none(void);

/* ---- power cuts ---------------------------------------------------------------- */

/* Puts the noting table in force and forgets everything. */
void cuts_watch(void);
void cuts_unwatch(void);
/* The file or directory, and every entry on its path that was made since
 * cuts_watch, would be there after a power cut. */
bool cuts_durable(const char *path);
/* The entry `path`, removed since cuts_watch, would not come back. */
bool cuts_gone(const char *path);

#endif
