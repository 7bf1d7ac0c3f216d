/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unixaddr.h - addresses of unix sockets whose path is longer than the 107 bytes
 * that fit into one: those go by way of a descriptor of the directory.
 */
#ifndef BERTH_BASE_UNIXADDR_H
#define BERTH_BASE_UNIXADDR_H

#include "base/defs.h"

#include <sys/un.h>

/* Fills *sa for bind or connect. *dir is the descriptor it needs to mean anything
 * (-1: none), to be closed after the call. False with errno when the directory
 * cannot be used; ENAMETOOLONG when the name in it is too long as well. */
bool unix_address(const char *path, struct sockaddr_un *sa, int *dir) MUST_USE;

#endif
