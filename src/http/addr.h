/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.h - peers' addresses: their text, and how many connections each has.
 * An IPv6 network of /64 counts as one address, as it is what one host gets.
 */
#ifndef BERTH_HTTP_ADDR_H
#define BERTH_HTTP_ADDR_H

#include "base/defs.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* Writes the text ("unix" for a local socket) and the key to count by; returns
 * the port. IPv4 addresses mapped into IPv6 appear as what they are. */
uint16_t addr_text(const struct sockaddr_storage *peer, char out[INET6_ADDRSTRLEN], uint64_t key[2]);

struct addr_table;

struct addr_table *addr_table_new(void);
void addr_table_free(struct addr_table **t);
/* Counts one more connection and says how many there are now; thread-safe. */
size_t addr_take(struct addr_table *t, const uint64_t key[2]);
void addr_release(struct addr_table *t, const uint64_t key[2]);

#endif
