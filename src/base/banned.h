/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h - functions that must not be used anywhere in berth. It is included
 * for every source file by the build; using one of them fails the compilation.
 */
#ifndef BERTH_BASE_BANNED_H
#define BERTH_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets
#pragma GCC poison gmtime localtime ctime asctime

#endif
