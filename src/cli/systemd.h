/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.h - the two protocols of systemd that a service needs: sockets that
 * are handed over at start (sd_listen_fds(3)) and telling how the service is
 * doing (sd_notify(3)). Both do nothing where systemd did not start us.
 */
#ifndef BERTH_CLI_SYSTEMD_H
#define BERTH_CLI_SYSTEMD_H

#include "base/err.h"

struct systemd_sockets {
	int main;  /* the first socket, or -1 */
	int debug; /* the one named "debug", or -1 */
};

/*
 * Takes the sockets over and removes the variables that announce them. Sockets
 * that cannot be used are an error: they are somebody's configuration.
 */
enum err_code systemd_take_sockets(struct systemd_sockets *out, struct err *err) MUST_USE;

/* Sends "READY=1", "STOPPING=1", ...; a failure is not worth a word. */
void systemd_notify(const char *state);

#endif
