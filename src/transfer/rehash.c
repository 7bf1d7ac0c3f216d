/* SPDX-License-Identifier: Apache-2.0 */
/* rehash.c - see rehash.h. */
#include "transfer/rehash.h"

#include <stdlib.h>

#define PIECE ((size_t)1 << 20)

enum err_code rehash(struct storage *s, const struct digest *d, enum digest_alg alg, struct digest *real,
    uint64_t *size, struct err *err)
{
	CLEANUP(free_ptr) char *piece = NULL;
	struct storage_blob blob;
	struct hasher *h;
	size_t got;
	enum err_code rc = storage_open(s, d, &blob, err);

	*size = 0;
	if (rc)
		return rc;
	piece = xmalloc(PIECE);
	h = hasher_new(alg);
	do {
		rc = storage_read(&blob, *size, piece, PIECE, &got, err);
		if (rc)
			break;
		hasher_update(h, piece, got);
		*size += got;
	} while (got);
	storage_close(&blob);
	hasher_digest(h, real);
	hasher_free(&h);
	return rc;
}
