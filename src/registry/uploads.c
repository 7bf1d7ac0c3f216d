/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uploads.c - everything below /v2/<name>/blobs/uploads/.
 *
 * An upload is a row in the metadata (its repository, since when), a file in
 * the storage (the bytes) and, while it is used, a session (the running hash).
 * The file is the truth about how far an upload got: what a broken connection
 * delivered stays, and the client goes on from there.
 *
 * Finishing follows the one order that loses nothing: bytes verified, synced
 * and renamed; then one metadata transaction that links the blob and removes
 * the upload; then the answer.
 */
#include "registry/registry_priv.h"
#include "base/clock.h"
#include "meta/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_CHUNK ((size_t)1 << 20)
/* How long a request waits for the one before it on the same upload, which may
 * still hang on a connection that is gone. */
#define BUSY_WAIT (5 * CLOCK_S)

/* One request to an upload. */
struct upload_call {
	struct call *c;
	struct meta_upload row;
	struct session *session;
	struct storage_upload *bytes;
	struct slice announced; /* Content-Range, absent without */
	uint64_t from, to;      /* inclusive, as announced */
};

/* ---- metadata ------------------------------------------------------------- */

static enum err_code do_create(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_upload_create(tx, arg, err);
}

static enum err_code do_delete(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_upload_delete(tx, arg, err);
}

struct finish_args {
	const char *id; /* NULL: the upload had no row */
	struct slice repo;
	struct meta_blob blob;
};

static enum err_code do_finish(struct meta_tx *tx, void *arg, struct err *err)
{
	struct finish_args *a = arg;
	enum err_code rc = ERR_OK;

	if (a->id)
		rc = meta_tx_upload_delete(tx, a->id, err);
	/* The row may be gone when the purge was quicker; the blob is good. */
	if (rc == ERR_OK || rc == ERR_NOT_FOUND)
		rc = meta_tx_blob_link(tx, a->repo, &a->blob, err);
	return rc;
}

/* ---- answers ---------------------------------------------------------------- */

static void add_upload_headers(struct call *c, const char *id, uint64_t size)
{
	location_set(c, "blobs/uploads/%s", id);
	http_header_set(c->req, "Docker-Upload-UUID", slice_cstr(id));
	http_header_addf(c->req, "Range", "0-%llu", (unsigned long long)(size ? size - 1 : 0));
}

static void reply_created(struct call *c, const struct digest *d)
{
	char text[DIGEST_TEXT];

	digest_format(d, text);
	location_set(c, "blobs/%s", text);
	http_header_set(c->req, "Docker-Content-Digest", slice_cstr(text));
	http_reply(c->req, 201, SLICE(""));
}

/* What went wrong while the body was read or written. */
static void fail_body(struct upload_call *u, const struct err *err)
{
	struct http_req *req = u->c->req;
	unsigned long long have = u->bytes ? u->bytes->size : 0;

	switch (err->code) {
	case ERR_CLOSED:
		http_close_after(req);
		oci_fail_why(req, OCI_UPLOAD_INVALID,
		    "the connection ended before the body did; the upload has %llu bytes", have);
		break;
	case ERR_INVALID:
		http_close_after(req);
		oci_fail_why(req, OCI_UPLOAD_INVALID, "%s", err->msg);
		break;
	case ERR_TIMEOUT:
		http_close_after(req);
		oci_fail_why(req, OCI_UPLOAD_SLOW, "the upload has %llu bytes", have);
		break;
	default:
		oci_fail_system(req, err, "writing the upload");
	}
}

/* ---- reading the body -------------------------------------------------------- */

/* Content-Range: <start>-<end>, inclusive; "bytes " in front and a total behind
 * are tolerated. */
static bool parse_content_range(struct slice s, uint64_t *from, uint64_t *to)
{
	struct slice end;

	if (slice_starts_icase(s, SLICE("bytes ")))
		s = slice_trim(slice_from(s, 6));
	s = slice_trim(slice_cut(&s, '/'));
	end = s;
	s = slice_cut(&end, '-');
	return end.p && slice_u64(s, INT64_MAX, from) && slice_u64(end, INT64_MAX, to) && *from <= *to;
}

/* False after having answered: the chunk does not go on where the upload ends. */
static bool check_content_range(struct upload_call *u)
{
	struct http_req *req = u->c->req;

	u->announced = http_header(req, "Content-Range");
	if (!u->announced.p)
		return true;
	if (!parse_content_range(u->announced, &u->from, &u->to)) {
		add_upload_headers(u->c, u->row.id, u->bytes->size);
		oci_fail_why(req, OCI_RANGE_INVALID, "Content-Range must be <start>-<end>");
		return false;
	}
	if (u->from != u->bytes->size) {
		add_upload_headers(u->c, u->row.id, u->bytes->size);
		oci_fail_why(req, OCI_RANGE_INVALID, "the chunk starts at byte %llu, the upload goes on at byte %llu",
		    (unsigned long long)u->from, (unsigned long long)u->bytes->size);
		return false;
	}
	if (req->body_length >= 0 && (uint64_t)req->body_length != u->to - u->from + 1) {
		oci_fail_why(req, OCI_SIZE_INVALID, "Content-Range announces %llu bytes, Content-Length %lld",
		    (unsigned long long)(u->to - u->from + 1), (long long)req->body_length);
		return false;
	}
	return true;
}

/* The next bytes of the body, as many as there is room for: large writes cost
 * less than many small ones. Less than `room` is the end of the body, or, with
 * an error, what arrived before it. */
static enum err_code fill(struct http_req *req, char *p, size_t room, size_t *n, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t got = 1;

	*n = 0;
	while (rc == ERR_OK && got && *n < room) {
		rc = http_body_read(req, p + *n, room - *n, &got, err);
		if (rc == ERR_OK)
			*n += got;
	}
	return rc;
}

/* Memory for pieces of the body, begun where the storage likes it. Not of the
 * arena, which clears what it gives: that of a client who sends little stays
 * untouched, and costs nothing. */
static char *piece_alloc(size_t n)
{
	return aligned_alloc(STORAGE_ALIGN, (n + STORAGE_ALIGN - 1) / STORAGE_ALIGN * STORAGE_ALIGN);
}

/* The body goes socket -> buffer -> file and hash. False after having answered;
 * what arrived stays in the upload. */
static bool receive(struct upload_call *u, enum digest_alg alg)
{
	struct http_req *req = u->c->req;
	size_t piece = BODY_CHUNK, room, got;
	struct err err = {0};
	enum err_code rc;
	CLEANUP(free_ptr) char *p = NULL;

	if (req->body_length == 0)
		return true;
	if (req->body_length > 0 && (uint64_t)req->body_length < piece)
		piece = (size_t)req->body_length;
	p = piece_alloc(piece);
	if (!p) {
		oci_fail(req, OCI_UNAVAILABLE);
		return false;
	}
	do {
		/* A chunk may have ended anywhere: the first piece is shorter by
		 * that, and all others begin at a multiple of STORAGE_ALIGN. */
		room = piece > STORAGE_ALIGN ? piece - u->bytes->size % STORAGE_ALIGN : piece;
		rc = fill(req, p, room, &got, &err);
		if (got) {
			struct err write_err = {0};
			enum err_code write_rc = session_append(u->session, u->bytes, alg, p, got, &write_err);

			if (write_rc) {
				rc = write_rc;
				err = write_err;
			}
		}
	} while (rc == ERR_OK && got == room);
	if (rc) {
		fail_body(u, &err);
		return false;
	}
	if (u->announced.p && u->bytes->size != u->to + 1) {
		add_upload_headers(u->c, u->row.id, u->bytes->size);
		oci_fail_why(req, OCI_SIZE_INVALID,
		    "Content-Range announces bytes up to %llu, the upload now ends at %llu", (unsigned long long)u->to,
		    (unsigned long long)(u->bytes->size ? u->bytes->size - 1 : 0));
		return false;
	}
	return true;
}

/* ---- opening and closing ------------------------------------------------------ */

static void fail_unknown(struct call *c)
{
	oci_fail_why(
	    c->req, OCI_UPLOAD_UNKNOWN, "it was finished, cancelled or purged, or never begun; start again with POST");
}

/* The upload the path names, for this request alone. False after having answered. */
static bool upload_begin(struct upload_call *u)
{
	struct call *c = u->c;
	struct err err = {0};
	enum err_code rc;

	if (!slice_to_cstr(c->param, u->row.id, sizeof(u->row.id)) || !uuid_valid(c->param)) {
		fail_unknown(c);
		return false;
	}
	rc = session_acquire(c->r->sessions, u->row.id, clock_mono() + BUSY_WAIT, &u->session, &err);
	if (rc) {
		oci_fail(c->req, OCI_UPLOAD_BUSY);
		return false;
	}
	rc = meta_upload_get(c->r->o.meta, u->row.id, c->req->arena, &u->row, &err);
	if (rc == ERR_OK && !slice_eq(u->row.repo, c->name))
		rc = ERR_NOT_FOUND;
	if (rc == ERR_OK)
		rc = storage_upload_open(c->r->o.storage, u->row.id, &u->bytes, &err);
	if (rc == ERR_OK)
		return true;
	session_finish(c->r->sessions, &u->session);
	if (rc == ERR_NOT_FOUND)
		fail_unknown(c);
	else
		oci_fail_system(c->req, &err, "opening the upload");
	return false;
}

/* More requests may come. */
static void upload_end(struct upload_call *u)
{
	storage_upload_close(&u->bytes);
	if (u->session)
		session_release(u->c->r->sessions, &u->session);
}

/* ---- finishing ---------------------------------------------------------------- */

/* The digest the client claims: ?digest=. False after having answered. */
static bool claimed_digest(struct call *c, struct digest *d)
{
	struct slice text;

	if (!http_query(c->req, "digest", 0, &text) || text.n == 0) {
		oci_fail_why(
		    c->req, OCI_DIGEST_INVALID, "digest missing: finish the upload with PUT ...?digest=<digest>");
		return false;
	}
	c->param = text;
	return call_digest(c, d);
}

static void fail_mismatch(struct call *c, const struct digest *claimed, const struct digest *real, uint64_t size)
{
	char a[DIGEST_TEXT], b[DIGEST_TEXT];

	oci_fail_why(c->req, OCI_DIGEST_INVALID, "%s was announced, the %llu bytes received have %s",
	    digest_format(claimed, a), (unsigned long long)size, digest_format(real, b));
}

/* Bytes that were stored but could not be recorded are nobody's: they go, unless
 * somebody else has recorded them meanwhile. */
static void discard_unrecorded(struct call *c, const struct digest *d)
{
	uint64_t size;

	storage_hold_exclusive(c->r->o.storage, d, 1);
	if (meta_blob_known(c->r->o.meta, d, &size, NULL) == ERR_NOT_FOUND)
		(void)!storage_remove(c->r->o.storage, d, NULL);
	storage_release_exclusive(c->r->o.storage, d, 1);
}

/* Verifies and commits what was received. True when the blob is stored, linked
 * and answered; `id` is the upload's row, NULL when it has none. */
static bool finish(struct upload_call *u, const struct digest *claimed, const char *id)
{
	struct call *c = u->c;
	struct finish_args a = {.id = id, .repo = c->name};
	struct err err = {0};
	enum err_code rc;

	if (session_digest(u->session, u->bytes, claimed->alg, &a.blob.digest, &err)) {
		oci_fail_system(c->req, &err, "reading the upload back");
		return false;
	}
	if (!digest_eq(&a.blob.digest, claimed)) {
		fail_mismatch(c, claimed, &a.blob.digest, u->bytes->size);
		return false;
	}
	a.blob.size = u->bytes->size;
	storage_hold_shared(c->r->o.storage, claimed);
	rc = storage_upload_commit(&u->bytes, claimed, &err);
	if (rc == ERR_OK)
		rc = meta_write(c->r->o.meta, META_DURABLE, do_finish, &a, &err);
	storage_release_shared(c->r->o.storage, claimed);
	if (rc) {
		discard_unrecorded(c, claimed);
		oci_fail_system(c->req, &err, "storing the blob");
		return false;
	}
	reply_created(c, claimed);
	return true;
}

/* ---- starting: POST ------------------------------------------------------------- */

struct mount_args {
	struct slice from, to;
	struct digest digest;
	struct meta_blob blob;
};

static enum err_code do_mount(struct meta_tx *tx, void *arg, struct err *err)
{
	struct mount_args *a = arg;

	return meta_tx_blob_mount(tx, a->from, a->to, &a->digest, &a->blob, err);
}

/*
 * POST ?mount=<digest>[&from=<repository>]. True when the blob was mounted and
 * answered; where it cannot be, the client gets an upload instead. Without
 * `from` any repository will do, unless rights differ between repositories:
 * then knowing a digest must not be enough to read the blob.
 */
static bool try_mount(struct call *c)
{
	struct mount_args a = {.to = c->name};
	struct meta_blob found;
	struct slice text;
	struct err err = {0};
	enum err_code rc;
	uint64_t size;
	const char *why;

	if (!http_query(c->req, "mount", 0, &text) || digest_parse(text, &a.digest) != DIGEST_VALID)
		return false;
	if (http_query(c->req, "from", 0, &a.from) && a.from.n) {
		if (!reference_name_valid(a.from, &why))
			return false;
	} else if (auth_per_repository(c->r->o.auth) ||
	           meta_blob_find(c->r->o.meta, &a.digest, c->req->arena, &found, &a.from, &err)) {
		return false;
	}
	/* A damaged blob is not handed on: the upload that follows heals it. */
	storage_hold_shared(c->r->o.storage, &a.digest);
	rc = storage_stat(c->r->o.storage, &a.digest, &size, &err);
	if (rc == ERR_OK)
		rc = meta_write(c->r->o.meta, META_DURABLE, do_mount, &a, &err);
	storage_release_shared(c->r->o.storage, &a.digest);
	if (rc || a.blob.size != size)
		return false;
	reply_created(c, &a.digest);
	return true;
}

/* POST ?digest=<digest> with the whole blob as body. */
static void post_whole(struct call *c)
{
	struct upload_call u = {.c = c};
	struct digest claimed;
	struct err err = {0};
	enum err_code rc;

	if (!claimed_digest(c, &claimed))
		return;
	uuid_random(u.row.id);
	rc = session_acquire(c->r->sessions, u.row.id, clock_mono() + BUSY_WAIT, &u.session, &err);
	if (rc == ERR_OK)
		rc = storage_upload_create(c->r->o.storage, u.row.id, &u.bytes, &err);
	if (rc) {
		oci_fail_system(c->req, &err, "starting the upload");
	} else if (!receive(&u, claimed.alg) || !finish(&u, &claimed, NULL)) {
		storage_upload_close(&u.bytes);
		(void)!storage_upload_abort(c->r->o.storage, u.row.id, NULL);
	}
	if (u.session)
		session_finish(c->r->sessions, &u.session);
}

/* POST ?digest= without a body is the whole blob only when that is empty; else
 * the client wants to send it later, and gets an upload as from registry:2. */
static bool whole_blob_follows(struct call *c, struct slice text)
{
	struct digest claimed, empty;

	if (c->req->body_length != 0)
		return true;
	if (digest_parse(text, &claimed) != DIGEST_VALID)
		return false;
	digest_of(claimed.alg, "", 0, &empty);
	return digest_eq(&claimed, &empty);
}

/* What to hash with while the bytes come in, sha256 unless the client says
 * otherwise; DIGEST_NONE after having answered that there is no such one. */
static enum digest_alg wanted_algorithm(struct call *c)
{
	struct slice name;
	enum digest_alg alg;

	if (!http_query(c->req, "digest-algorithm", 0, &name) || name.n == 0)
		return DIGEST_SHA256;
	alg = digest_alg_parse(name);
	if (alg == DIGEST_NONE)
		oci_fail_why(c->req, OCI_DIGEST_INVALID, "digest-algorithm must be sha256 or sha512");
	return alg;
}

void upload_start(struct call *c)
{
	struct meta_upload row = {.repo = c->name, .started_at = clock_real()};
	struct storage_upload *bytes = NULL;
	struct slice digest;
	struct err err = {0};
	enum err_code rc;

	if (try_mount(c))
		return;
	if (http_query(c->req, "digest", 0, &digest) && digest.n && whole_blob_follows(c, digest)) {
		post_whole(c);
		return;
	}
	row.alg = wanted_algorithm(c);
	if (row.alg == DIGEST_NONE)
		return;
	uuid_random(row.id);
	rc = storage_upload_create(c->r->o.storage, row.id, &bytes, &err);
	if (rc == ERR_OK) {
		storage_upload_close(&bytes);
		rc = meta_write(c->r->o.meta, META_RELAXED, do_create, &row, &err);
		if (rc)
			(void)!storage_upload_abort(c->r->o.storage, row.id, NULL);
	}
	if (rc) {
		oci_fail_system(c->req, &err, "starting the upload");
		return;
	}
	add_upload_headers(c, row.id, 0);
	http_reply(c->req, 202, SLICE(""));
}

/* ---- going on: GET, PATCH, PUT, DELETE -------------------------------------------- */

void upload_status(struct call *c)
{
	struct upload_call u = {.c = c};

	if (!upload_begin(&u))
		return;
	add_upload_headers(c, u.row.id, u.bytes->size);
	http_reply(c->req, 204, SLICE(""));
	upload_end(&u);
}

void upload_patch(struct call *c)
{
	struct upload_call u = {.c = c};

	if (!upload_begin(&u))
		return;
	if (check_content_range(&u) && receive(&u, u.row.alg)) {
		add_upload_headers(c, u.row.id, u.bytes->size);
		http_reply(c->req, 202, SLICE(""));
	}
	upload_end(&u);
}

void upload_put(struct call *c)
{
	struct upload_call u = {.c = c};
	struct digest claimed;
	char id[UUID_TEXT];

	if (!upload_begin(&u))
		return;
	memcpy(id, u.row.id, sizeof(id));
	if (claimed_digest(c, &claimed) && check_content_range(&u) && receive(&u, claimed.alg) &&
	    finish(&u, &claimed, id)) {
		session_finish(c->r->sessions, &u.session);
		return;
	}
	upload_end(&u);
}

void upload_cancel(struct call *c)
{
	struct upload_call u = {.c = c};
	struct err err = {0};
	enum err_code rc;

	if (!upload_begin(&u))
		return;
	storage_upload_close(&u.bytes);
	rc = meta_write(c->r->o.meta, META_RELAXED, do_delete, u.row.id, &err);
	if (rc == ERR_OK)
		rc = storage_upload_abort(c->r->o.storage, u.row.id, &err);
	session_finish(c->r->sessions, &u.session);
	if (rc && rc != ERR_NOT_FOUND) {
		oci_fail_system(c->req, &err, "cancelling the upload");
		return;
	}
	http_header_set(c->req, "Docker-Upload-UUID", slice_cstr(u.row.id));
	http_reply(c->req, 204, SLICE(""));
}

/* ---- purging ------------------------------------------------------------------------ */

static enum err_code purge_one(struct registry *r, const char *id, struct err *err)
{
	struct session *session = NULL;
	enum err_code rc = session_acquire(r->sessions, id, clock_mono(), &session, err);
	char copy[UUID_TEXT];

	if (rc)
		return ERR_OK; /* somebody is writing to it right now: not abandoned */
	snprintf(copy, sizeof(copy), "%s", id);
	rc = meta_write(r->o.meta, META_RELAXED, do_delete, copy, err);
	if (rc == ERR_OK || rc == ERR_NOT_FOUND)
		rc = storage_upload_abort(r->o.storage, id, err);
	session_finish(r->sessions, &session);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

struct orphan_walk {
	struct registry *r;
	int64_t before;
	size_t limit, seen;
	bool dry_run;
	struct err *err;
	enum err_code rc;
};

/* Files without a row: what a crash, or a POST of a whole blob that was cut
 * off, left behind. */
static bool visit_orphan(const char *id, int64_t modified, void *arg)
{
	struct orphan_walk *w = arg;

	if (modified >= w->before)
		return true;
	if (!w->dry_run)
		w->rc = purge_one(w->r, id, w->err);
	if (w->rc == ERR_OK)
		w->seen++;
	return w->rc == ERR_OK && w->seen < w->limit;
}

enum err_code registry_purge_uploads(
    struct registry *r, int64_t before, size_t limit, bool dry_run, size_t *removed, struct err *err)
{
	struct orphan_walk w = {.r = r, .before = before, .limit = limit, .dry_run = dry_run, .err = err};
	struct meta_uploads rows;
	struct arena a;
	enum err_code rc;

	OBJ_CHECK(r, REGISTRY_MAGIC);
	*removed = 0;
	arena_init(&a, (size_t)16 << 20);
	/* The file's time of last write decides, so that an upload which is slow
	 * but alive is not purged: rows only lead to uploads whose file is gone. */
	rc = meta_uploads_before(r->o.meta, before, limit, &a, &rows, err);
	for (size_t i = 0; rc == ERR_OK && !dry_run && i < rows.n; i++) {
		struct storage_upload *u = NULL;

		if (storage_upload_open(r->o.storage, rows.v[i].id, &u, NULL) == ERR_NOT_FOUND)
			rc = purge_one(r, rows.v[i].id, err);
		storage_upload_close(&u);
	}
	arena_free(&a);
	if (rc == ERR_OK) {
		rc = storage_upload_list(r->o.storage, visit_orphan, &w, err);
		*removed = w.seen;
	}
	return rc ? rc : w.rc;
}
