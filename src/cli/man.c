/* SPDX-License-Identifier: Apache-2.0 */
/*
 * man.c - the manual page berth(1), made from the table of commands and the
 * tables here of what belongs to no single command.
 */
#include "cli/command.h"

struct entry {
	const char *name, *text;
};

static const struct entry environment[] = {
    {"REGISTRY_CONFIGURATION_PATH", "The configuration file, where none is given on the command line."},
    {"REGISTRY_*", "Override one key of the configuration each: REGISTRY_HTTP_ADDR is http.addr."},
    {"BERTH_*", "The same for the keys under berth: BERTH_DATABASE_PATH is berth.database.path."},
    {"LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
        "Sockets handed over by systemd.socket(5). The first is used instead of http.addr, one named `debug` instead of "
        "http.debug.addr."},
    {"NOTIFY_SOCKET", "Where systemd is told that the registry is ready, and that it stops."},
};

static const struct entry signals[] = {
    {"SIGTERM, SIGINT",
        "Stop: no new connections, requests under way may finish for http.draintimeout (10 seconds when it is not "
        "given), then exit with status 0. A second one ends the process at once."},
    {"SIGHUP", "Load certificates and keys of TLS again. They are also loaded by themselves when they change."},
};

static const struct entry statuses[] = {
    {"0", "All went well."},
    {"1", "Something failed at run time: the address is taken, the directory cannot be written, the database is "
          "damaged."},
    {"2", "The command line or the configuration is wrong."},
};

static const struct entry files[] = {
    {"docker/registry/v2/", "Below storage.filesystem.rootdirectory: blobs and uploads, in the layout of registry:2."},
    {"berth/berth.db", "Below storage.filesystem.rootdirectory: the metadata (berth.database.path)."},
};

static const struct entry examples[] = {
    {"berth serve", "A registry for this machine on 127.0.0.1:5000, in ./data."},
    {"berth serve /etc/docker/registry/config.yml", "With the configuration of a registry:2."},
    {"berth config check config.yml", "All that is wrong with a configuration, before it is used."},
    {"docker save app:1.0 | berth import -i -",
        "An image from docker into the registry that runs here, without a network."},
    {"berth export --oci app.tar -i app:1.0", "And out of it, for docker load, skopeo or another berth."},
    {"berth htpasswd -Bbn alice secret >>htpasswd", "A user for auth.htpasswd."},
};

/* Text with what troff takes for its own made harmless. */
static void add_text(struct buf *out, struct slice s)
{
	bool line_start = true;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (line_start && (c == '.' || c == '\''))
			buf_adds(out, "\\&");
		if (c == '\\')
			buf_adds(out, "\\e");
		else if (c == '-')
			buf_adds(out, "\\-");
		else if (c == '`')
			buf_adds(out, "\\(ga");
		else
			buf_addc(out, c);
		line_start = c == '\n';
	}
}

/* Paragraphs that are separated by an empty line. */
static void add_paragraphs(struct buf *out, const char *text)
{
	struct slice rest = slice_cstr(text);
	bool first = true;

	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n');

		if (line.n == 0)
			continue;
		if (!first)
			buf_adds(out, ".PP\n");
		add_text(out, line);
		buf_addc(out, '\n');
		first = false;
	}
}

/* ".TP", the name bold and the value in italics, then the text. */
static void add_entry(struct buf *out, const char *name, const char *value, const char *text)
{
	buf_adds(out, ".TP\n\\fB");
	add_text(out, slice_cstr(name));
	buf_adds(out, "\\fR");
	if (value && *value) {
		buf_adds(out, " \\fI");
		add_text(out, slice_cstr(value));
		buf_adds(out, "\\fR");
	}
	buf_addc(out, '\n');
	add_paragraphs(out, text);
}

static void add_section(struct buf *out, const char *title, const struct entry *entries, size_t n)
{
	buf_addf(out, ".SH %s\n", title);
	for (size_t i = 0; i < n; i++)
		add_entry(out, entries[i].name, NULL, entries[i].text);
}

static void add_command(struct buf *out, const struct command *c)
{
	buf_addf(out, ".SS \"berth %s", c->name);
	if (*c->operands)
		buf_addc(out, ' ');
	add_text(out, slice_cstr(c->operands));
	buf_adds(out, "\"\n");
	add_text(out, slice_cstr(c->summary));
	buf_adds(out, ".\n");
	if (*c->text)
		buf_adds(out, ".PP\n");
	add_paragraphs(out, c->text);
	for (const struct command_action *a = c->actions; a && a->name; a++)
		add_entry(out, a->name, a->operands, a->text);
	for (const struct command_option *o = c->options; o && o->names; o++)
		add_entry(out, o->names, o->value, o->text);
}

void man_page(struct buf *out)
{
	buf_adds(out,
	    ".TH BERTH 1 \"\" \"berth " BERTH_VERSION "\" \"User Commands\"\n"
	    ".SH NAME\nberth \\- an OCI container registry\n"
	    ".SH SYNOPSIS\n\\fBberth\\fR \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n"
	    ".SH DESCRIPTION\n"
	    "One process that is a complete registry for container images: it speaks the OCI distribution "
	    "specification to docker, containerd, podman, skopeo and all the others, keeps blobs in a directory and "
	    "everything else in an SQLite database beside them. It takes the configuration file, the environment and "
	    "the directory of registry:2, and may be called\n"
	    ".B registry\nor\n.BR docker\\-registry .\n"
	    ".SH COMMANDS\n");
	for (size_t i = 0; i < ncommands; i++)
		if (!commands[i].hidden)
			add_command(out, &commands[i]);
	add_section(out, "ENVIRONMENT", environment, ARRAY_LEN(environment));
	add_section(out, "FILES", files, ARRAY_LEN(files));
	add_section(out, "SIGNALS", signals, ARRAY_LEN(signals));
	add_section(out, "EXIT STATUS", statuses, ARRAY_LEN(statuses));
	add_section(out, "EXAMPLES", examples, ARRAY_LEN(examples));
	buf_adds(out, ".SH SEE ALSO\n.BR skopeo (1),\n.BR htpasswd (1),\n.BR systemd.socket (5)\n");
}
