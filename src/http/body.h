/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - what is to become of a request body that the handler did not read
 * to its end.
 */
#ifndef BERTH_HTTP_BODY_H
#define BERTH_HTTP_BODY_H

#include "http/conn.h"

/* Called when the answer's head is made: true when the connection can be kept,
 * since the body was read, could be drained at once, or announced a rest that
 * is small enough to wait for. */
bool body_settle(struct exch *x);

/* After the answer: drops the rest of a body from what was received already.
 * x->left tells how much is still to come, unless x->body_done. */
void body_skip_buffered(struct exch *x);

#endif
