/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_main.c - runs a fuzz target once on every file of the folders given as
 * arguments: without a fuzzer, the corpus is a regression test. One line tells
 * how many there were; the name of the last one is on stderr when it crashes.
 */
#include "base/fsys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
	struct err err = {0};
	char *text;
	size_t n;

	if (fsys_read_file(path, INPUT_MAX, &text, &n, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return false;
	}
	/* A copy of exactly its size, so that reading past its end is seen. */
	char *exact = xmalloc(n);
	memcpy(exact, text, n);
	free(text);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
	free(exact);
	return true;
}

/* The number of files replayed, or -1. */
static int replay_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	if (!d) {
		perror(path);
		return -1;
	}
	while (n >= 0 && (e = readdir(d))) {
		char *file;

		if (e->d_name[0] == '.')
			continue;
		file = xasprintf("%s/%s", path, e->d_name);
		n = replay_file(file) ? n + 1 : -1;
		free(file);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs replayed\n", total);
	return total > 0 ? 0 : 1;
}
