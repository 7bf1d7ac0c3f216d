/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.c - the table of commands. Whoever adds a command adds a row here
 * and its function; help, manual page and completions follow.
 */
#include "cli/command.h"

static const struct command_action config_actions[] = {
    {"check", "[FILE]", "Reports every problem of the configuration, one a line. Exit status 1 when there are errors."},
    {"show", "[FILE]", "Prints the configuration in force as YAML, each value with its origin; secrets are masked."},
    {"reference", "", "Prints the documentation of all keys, in Markdown."},
    {NULL, NULL, NULL},
};

static const struct command_option htpasswd_options[] = {
    {"-B", NULL, "bcrypt, which is what is made anyway; accepted because everybody types it."},
    {"-5", NULL, "SHA-512 of crypt(3) instead of bcrypt."},
    {"-2", NULL, "SHA-256 of crypt(3) instead of bcrypt."},
    {"-r", "ROUNDS", "The rounds of -2 and -5, 1000 to 5000000."},
    {"-C", "COST", "The cost of bcrypt, 4 to 17 (default 10): each step doubles the time that a guess takes."},
    {"-b", NULL, "Takes the password from the command line, where other users of the machine can see it."},
    {"-i", NULL, "Reads the password from standard input, once and without asking."},
    {"-n", NULL, "Prints the line instead of changing a file."},
    {"-c", NULL, "Creates the file; what is in it is lost."},
    {"-D", NULL, "Removes the user."},
    {"-v", NULL, "Verifies the password instead of setting it."},
    {NULL, NULL, NULL},
};

static const struct command_option gc_options[] = {
    {"-d, --dry-run", NULL, "Shows what would be removed and changes nothing."},
    {"-m, --untagged", NULL,
        "Removes manifests without a tag too, unless an index lists them or their subject is there."},
    {"-n, --now", NULL,
        "Does not wait for the grace period, not even for what pushes under way count on: one may fail then and has to "
        "be repeated; no image is damaged. garbage-collect keeps that."},
    {"-q, --quiet", NULL, "Prints nothing but errors."},
    {NULL, NULL, NULL},
};

static const struct command_option verify_options[] = {
    {"-b, --blobs", NULL, "Reads and hashes every blob too."},
    {"-l, --rate", "BYTES", "Reads at most so much a second, like 50MiB."},
    {"-r, --repair", NULL,
        "Puts damaged blobs into quarantine, where nobody can pull them, and removes files that belong to nothing."},
    {NULL, NULL, NULL},
};

static const struct command_option backup_options[] = {
    {"-k, --keep", "N", "Removes the oldest backups, so that N are left."},
    {"-q, --quiet", NULL, "Prints nothing but what is wrong."},
    {NULL, NULL, NULL},
};

static const struct command_option restore_options[] = {
    {"-l, --list", NULL, "Lists the backups and restores none."},
    {"-r, --replace", NULL,
        "Replaces the registry that is there; its database is kept under another name, and its blobs stay."},
    {"-n, --no-verify", NULL, "Does not compare metadata and blobs at the end."},
    {"-b, --blobs", NULL, "Reads and hashes every blob at the end."},
    {"-q, --quiet", NULL, "Prints nothing but what is wrong."},
    {NULL, NULL, NULL},
};

static const struct command_option import_options[] = {
    {"-i, --input", "ARCHIVE", "The images are in this file or directory, or come from standard input (-)."},
    {"-n, --name", "REPOSITORY[:TAG]",
        "Where they go, whatever the archive says. With REPOSITORY alone the tags of the archive are kept; with a TAG the "
        "archive must have one image."},
    {"-q, --quiet", NULL, "Prints nothing but what is wrong."},
    {NULL, NULL, NULL},
};

static const struct command_option export_options[] = {
    {"-o, --oci", "LAYOUT", "Where the layout is written."},
    {"-i, --image", "NAME",
        "What is exported: a REPOSITORY with all its tags, REPOSITORY:TAG or REPOSITORY@DIGEST; may be given several "
        "times. Without it, everything that has a tag."},
    {"-q, --quiet", NULL, "Prints nothing but what is wrong."},
    {NULL, NULL, NULL},
};

static const struct command_option garbage_collect_options[] = {
    {"-d, --dry-run", NULL, "Shows what would be removed and changes nothing."},
    {"-m, --delete-untagged", NULL, "Removes manifests without a tag too."},
    {"-q, --quiet", NULL, "Prints nothing but errors."},
    {NULL, NULL, NULL},
};

const struct command commands[] = {
    {.name = "serve",
        .run = cmd_serve,
        .operands = "[CONFIG]",
        .files = true,
        .summary = "Run the registry",
        .text =
            "Runs the registry until it gets SIGTERM or SIGINT. CONFIG is a registry:2 or registry:3 configuration "
            "file; without it the file is taken that the environment variable REGISTRY_CONFIGURATION_PATH names. "
            "REGISTRY_* and BERTH_* variables override single keys of it.\n"
            "\n"
            "Without any file berth listens on 127.0.0.1:5000 and keeps everything in ./data. It then listens on other "
            "addresses only when somebody says so with REGISTRY_HTTP_ADDR."},
    {.name = "config",
        .run = cmd_config,
        .operands = "ACTION [FILE]",
        .files = true,
        .summary = "Check, show or explain the configuration",
        .text = "Works on FILE, else on the file that REGISTRY_CONFIGURATION_PATH names, else on the defaults; the "
                "environment is applied as `serve` does it.",
        .actions = config_actions},
    {.name = "gc",
        .run = cmd_gc,
        .operands = "[OPTION]... [CONFIG]",
        .files = true,
        .summary = "Remove what nobody needs any more",
        .text =
            "Removes blobs that no manifest needs any more and referrers whose subject was deleted, once they have been "
            "useless for berth.gc.grace. A running registry does that by itself every berth.gc.interval; this "
            "command makes it do so now, and shows what goes. Pushes and pulls go on meanwhile. Without a running "
            "registry the command works on its directory.",
        .options = gc_options},
    {.name = "verify",
        .run = cmd_verify,
        .operands = "[OPTION]... [CONFIG]",
        .files = true,
        .summary = "Check that everything is there and undamaged",
        .text =
            "Compares metadata and storage in both directions, on a running registry or on its directory, and names "
            "what is damaged with the images that need it. Exit status 1 when there is damage. Pushing an image again "
            "heals its blobs.",
        .options = verify_options},
    {.name = "backup",
        .run = cmd_backup,
        .operands = "[OPTION]... DIRECTORY [CONFIG]",
        .files = true,
        .summary = "Back the registry up while it serves",
        .text =
            "Makes a backup below DIRECTORY, named by the time, as in 20261121T033000Z: the metadata of one moment and "
            "all blobs that it names. Pushes and pulls go on meanwhile. What a backup has in common with the one before, "
            "or with the registry on the same file system, is shared as hard links, so that it costs only what is "
            "new. A running registry makes the backup itself and must be allowed to write to DIRECTORY; without one "
            "the command works on its directory.",
        .options = backup_options},
    {.name = "restore",
        .run = cmd_restore,
        .operands = "[OPTION]... DIRECTORY [NAME] [CONFIG]",
        .files = true,
        .summary = "Bring a backup back",
        .text =
            "Puts the backup NAME, else the newest of those in DIRECTORY, into an empty storage.filesystem.rootdirectory "
            "and verifies that everything is there. No berth may be serving it. Exit status 1 when something in the "
            "backup was damaged; all else is restored then.",
        .options = restore_options},
    {.name = "import",
        .run = cmd_import,
        .operands = "[--input ARCHIVE [OPTION]...] [CONFIG]",
        .files = true,
        .summary = "Import images from an archive, or take over a directory of registry:2",
        .text =
            "With --input, images come from ARCHIVE into the registry: an OCI image layout, or what docker save, podman "
            "save, skopeo, ctr, crane, buildx, regctl and oras write; a directory, a tar that may be compressed with "
            "gzip or zstd, or `-` for standard input. Works on the running registry, while it serves, or on its "
            "directory. Digests are verified and kept; a tag appears when its image is whole. The host in front of a "
            "name is dropped: docker.io/library/alpine:3 becomes library/alpine:3.\n"
            "\n"
            "Without --input, the directory storage.filesystem.rootdirectory, which registry:2 has written, is taken "
            "over: repositories, tags, manifests and links of blobs are read into the database. Blobs stay where they "
            "are and nothing in the tree is changed. `serve` does it by itself the first time; the command shows the "
            "progress, names what was broken in the tree already, can be interrupted and gone on with, and adds what "
            "registry:2 has written since. No berth may be serving the directory.",
        .options = import_options},
    {.name = "export",
        .run = cmd_export,
        .operands = "[--oci LAYOUT [OPTION]...] [CONFIG]",
        .files = true,
        .summary = "Export images as an OCI image layout, or the directory for registry:2",
        .text =
            "With --oci, images are written as an OCI image layout: into a tar on standard output (`-`), a tarball "
            "(*.tar, *.tar.gz, *.tgz), or else a directory, which may be a layout already and is added to. docker load, "
            "podman load, skopeo, ctr and `berth import` read it. Indexes come with their images; signatures and "
            "whatever else refers to an image come along. Works on the running registry or on its directory. Exit "
            "status 1, and nothing is written, when a blob is missing or damaged.\n"
            "\n"
            "Without --oci, the tree of repositories, tags and links that registry:2 keeps is written into "
            "storage.filesystem.rootdirectory, and the manifests beside the blobs, so that registry:2 can serve the "
            "directory again. A tree that was there before is kept under another name. No berth may be serving the "
            "directory.",
        .options = export_options},
    {.name = "htpasswd",
        .run = cmd_htpasswd,
        .operands = "[OPTION]... [FILE] USER [PASSWORD]",
        .files = true,
        .summary = "Manage the users of an htpasswd file",
        .text =
            "Adds the user or changes the password, with the options of Apache's htpasswd as far as they make sense "
            "for a registry; the exit status is that of Apache's htpasswd, too. A running registry reads a changed file by "
            "itself.",
        .options = htpasswd_options},
    {.name = "version", .run = cmd_version, .operands = "", .summary = "Print the version", .text = ""},
    {.name = "help",
        .run = cmd_help,
        .operands = "[COMMAND]",
        .summary = "Explain a command",
        .text = "Without COMMAND lists all of them."},
    {.name = "garbage-collect",
        .run = cmd_garbage_collect,
        .operands = "[OPTION]... [CONFIG]",
        .summary = "Collect garbage as registry:2's command of this name does",
        .text =
            "Removes at once what nobody needs any more, with the options of registry:2. A running registry keeps for "
            "berth.gc.grace what a push under way may count on: blobs and manifests that a client has pushed, "
            "mounted or asked for and that nothing needs yet. So it can be called while others push. Without a "
            "running registry nothing is kept.",
        .options = garbage_collect_options,
        .files = true,
        .hidden = true},
};

const size_t ncommands = ARRAY_LEN(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

#define NEAREST_MAX ((size_t)40)

/* Insertions, deletions, replacements and swaps of neighbours between two short words. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_MAX + 1], n = strlen(b);
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= n; j++)
		above[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *free_row = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = above;
		above = row;
		row = free_row;
	}
	return above[n];
}

const char *nearest_of(const char *wrong, const char *const *names, size_t n)
{
	const char *found = NULL;
	size_t best = strlen(wrong) / 2; /* farther off it is a different word */

	if (strlen(wrong) > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = names[i] && strlen(names[i]) <= NEAREST_MAX ? distance(wrong, names[i]) : SIZE_MAX;

		if (d <= best && (!found || d < best)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

const char *command_nearest(const char *name)
{
	const char *names[ARRAY_LEN(commands)];

	for (size_t i = 0; i < ncommands; i++)
		names[i] = commands[i].hidden ? NULL : commands[i].name;
	return nearest_of(name, names, ncommands);
}
