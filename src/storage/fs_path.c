/* SPDX-License-Identifier: Apache-2.0 */
/* fs_path.c - paths of the filesystem driver; the tree is drawn in fs_path.h. */
#include "storage/fs_path.h"

#include <stdio.h>
#include <string.h>

#define BLOBS "docker/registry/v2/blobs"

static const char *join(char out[FS_PATH], const char *root, const char *rest)
{
	int n = snprintf(out, FS_PATH, "%s/%s", root, rest);

	ASSERT(n > 0 && n < FS_PATH);
	return out;
}

const char *fs_path_blobs(const char *root, char out[FS_PATH])
{
	return join(out, root, BLOBS);
}

const char *fs_path_algorithm(const char *root, enum digest_alg alg, char out[FS_PATH])
{
	char rest[64];

	snprintf(rest, sizeof(rest), BLOBS "/%s", digest_alg_name(alg));
	return join(out, root, rest);
}

static const char *below_algorithm(
    const char *root, const struct digest *d, bool dir, const char *file, char out[FS_PATH])
{
	char text[DIGEST_TEXT], rest[256];
	const char *alg = digest_alg_name(d->alg);
	const char *hex = digest_format(d, text) + snprintf(NULL, 0, "%s:", alg);

	snprintf(rest, sizeof(rest), BLOBS "/%s/%.2s%s%s%s", alg, hex, dir ? "/" : "", dir ? hex : "", file);
	return join(out, root, rest);
}

const char *fs_path_prefix(const char *root, const struct digest *d, char out[FS_PATH])
{
	return below_algorithm(root, d, false, "", out);
}

const char *fs_path_blob_dir(const char *root, const struct digest *d, char out[FS_PATH])
{
	return below_algorithm(root, d, true, "", out);
}

const char *fs_path_blob(const char *root, const struct digest *d, char out[FS_PATH])
{
	return below_algorithm(root, d, true, "/data", out);
}

const char *fs_path_uploads(const char *root, char out[FS_PATH])
{
	return join(out, root, "berth/uploads");
}

const char *fs_path_upload(const char *root, const char *id, char out[FS_PATH])
{
	char rest[128];

	snprintf(rest, sizeof(rest), "berth/uploads/%.64s", id);
	return join(out, root, rest);
}

const char *fs_path_quarantine(const char *root, char out[FS_PATH])
{
	return join(out, root, "berth/quarantine");
}

const char *fs_path_quarantined(const char *root, const struct digest *d, char out[FS_PATH])
{
	char text[DIGEST_TEXT], rest[256];

	digest_format(d, text);
	*strchr(text, ':') = '-';
	snprintf(rest, sizeof(rest), "berth/quarantine/%s", text);
	return join(out, root, rest);
}

const char *fs_path_lock(const char *root, char out[FS_PATH])
{
	return join(out, root, "berth/lock");
}
