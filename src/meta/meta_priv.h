/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_priv.h - inside of the metadata layer: the pool of readers, the writer,
 * and the few helpers that the operations share. Not for other layers.
 */
#ifndef BERTH_META_PRIV_H
#define BERTH_META_PRIV_H

#include "base/clock.h"
#include "meta/engine.h"
#include "meta/meta.h"

/* ---- readers (reader.c) ---------------------------------------------------- */

struct readers;
struct readers *readers_new(struct engine *e, size_t max, int64_t wait);
/* None may be in use. */
void readers_free(struct readers **r);

/* One statement being read. `CLEANUP(read_end) struct reading r = READING;` */
struct reading {
	struct readers *from;
	struct conn *conn;
	struct stmt *stmt;
	bool failed; /* the connection is not to be used again */
};
#define READING ((struct reading){NULL, NULL, NULL, false})

/* Borrows a connection and readies the statement; bind, then read_step. */
enum err_code read_begin(struct reading *r, struct meta *m, enum query_id q, struct err *err) MUST_USE;
/* Another statement on the same connection; ends the one before. */
enum err_code read_also(struct reading *r, enum query_id q, struct err *err) MUST_USE;
enum err_code read_step(struct reading *r, bool *row, struct err *err) MUST_USE;
void read_end(struct reading *r);

/* ---- the writer (writer.c) -------------------------------------------------- */

struct writer;
/* Takes over the connection. */
enum err_code writer_start(struct engine *e, struct conn *c, struct writer **out, struct err *err) MUST_USE;
/* Finishes what is queued, then ends the thread; *w becomes NULL. */
void writer_stop(struct writer **w);
enum err_code writer_run(
    struct writer *w, enum meta_durability d, meta_write_fn *fn, void *arg, struct err *err) MUST_USE;

/* What one write adds to the totals; may be negative. */
struct delta {
	int64_t repositories, manifests, tags, blobs, blob_bytes;
};

struct meta_tx {
	uint32_t magic;
#define META_TX_MAGIC 0x4d657478
	struct conn *conn;
	int64_t now; /* clock_real at its start */
	struct delta delta;
};

struct meta {
	uint32_t magic;
#define META_MAGIC 0x4d657461
	struct engine *engine;
	struct readers *readers;
	struct writer *writer;
};

/* ---- helpers of the operations ------------------------------------------------ */

/* Binds a digest in its packed form, kept in `room`. */
void stmt_digest(struct stmt *s, int at, const struct digest *d, uint8_t room[DIGEST_PACKED]);
/* A stored digest; ERR_CORRUPT when it is none. */
enum err_code col_digest(struct stmt *s, int at, struct digest *out, struct err *err) MUST_USE;
/* A column copied into the arena; NULL stays absent. */
enum err_code col_copy(struct stmt *s, int at, struct arena *a, struct slice *out, struct err *err) MUST_USE;
enum err_code arena_full(struct err *err);
/* The array `v` of *cap places of `size` bytes, n of them in use, with room for
 * one more: itself or a larger copy in the arena; NULL when that is full. */
void *arena_place(struct arena *a, void *v, size_t n, size_t *cap, size_t size);
/* How many rows to ask for: one more than the page, to see whether it goes on. */
int64_t rows_for(size_t limit);
/* Runs a statement that yields no rows. */
enum err_code stmt_done(struct stmt *s, struct err *err) MUST_USE;

/* The columns of MANIFEST_READ_COLUMNS in queries.c, payload included. */
enum err_code row_to_manifest(
    struct stmt *s, bool payload, struct arena *a, struct meta_manifest *out, struct err *err) MUST_USE;
/* The repository's id, 0 when there is none; *listed may be NULL. */
enum err_code tx_repo_find(struct meta_tx *tx, struct slice repo, int64_t *id, bool *listed, struct err *err) MUST_USE;
/* The same, creating it. */
enum err_code tx_repo_ensure(
    struct meta_tx *tx, struct slice repo, int64_t *id, bool *listed, struct err *err) MUST_USE;
/* Puts it into the catalog. */
enum err_code tx_repo_list(struct meta_tx *tx, int64_t id, struct err *err) MUST_USE;
/* The row of a digest, created without bytes when it is not known. */
enum err_code tx_blob_ensure(struct meta_tx *tx, const struct digest *d, int64_t *id, struct err *err) MUST_USE;
/* The tag now points to the manifest. */
enum err_code tx_tag_set(
    struct meta_tx *tx, int64_t repo, struct slice tag, int64_t manifest, struct err *err) MUST_USE;

/* ---- candidates of the garbage collection (gc.c; the picture is in gc.h) ------------ */

/* The repository may not need the blob; noted unless a manifest of it does. */
enum err_code tx_gc_note_link(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err) MUST_USE;
/* A client is told that the repository has the blob, and will push what needs it. */
enum err_code tx_gc_promise_link(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err) MUST_USE;
/* A manifest of the repository needs the blob now. */
enum err_code tx_gc_link_needed(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err) MUST_USE;
/* The bytes of the blob are here (again): they are not to be removed. */
enum err_code tx_gc_blob_arrived(struct meta_tx *tx, int64_t blob, struct err *err) MUST_USE;
/* An index of the repository lists this child now. */
enum err_code tx_gc_child_needed(
    struct meta_tx *tx, int64_t repo, const struct digest *child, struct err *err) MUST_USE;
/* The manifest was stored (`promised`) or its tags changed: noted when nothing
 * needs it, otherwise no candidate any more. */
enum err_code tx_gc_manifest_changed(struct meta_tx *tx, int64_t manifest, bool promised, struct err *err) MUST_USE;
/* A manifest that is here already was pushed once more, after its blobs. */
enum err_code tx_gc_manifest_again(struct meta_tx *tx, int64_t manifest, struct err *err) MUST_USE;
/* Before the rows of a manifest go: its blobs, children and referrers, and its file. */
enum err_code tx_gc_manifest_going(
    struct meta_tx *tx, int64_t repo, int64_t manifest, const struct digest *d, struct err *err) MUST_USE;

/* ---- metrics (metrics.c) -------------------------------------------------------- */

/* The instance whose totals the gauges show, until it is closed. */
void metrics_watch(struct meta *m);
void metrics_unwatch(struct meta *m);
void metrics_batch(size_t items, double commit_seconds);
void metrics_write_failed(size_t items);
void metrics_reader_waited(void);

#endif
