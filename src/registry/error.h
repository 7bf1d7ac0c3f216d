/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - the error codes of the specification (distribution-spec, "Error
 * Codes") and of registry:2, one table, and how they are rendered.
 */
#ifndef BERTH_REGISTRY_ERROR_H
#define BERTH_REGISTRY_ERROR_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"

/* X(enumerator, code, status, message) */
#define OCI_ERRORS(X) \
	X(OCI_UNKNOWN, "UNKNOWN", 500, "unknown error") \
	X(OCI_NOT_FOUND, "UNSUPPORTED", 404, "there is no such endpoint") \
	X(OCI_UNSUPPORTED, "UNSUPPORTED", 405, "The operation is unsupported.") \
	X(OCI_UNAUTHORIZED, "UNAUTHORIZED", 401, "authentication required") \
	X(OCI_DENIED, "DENIED", 403, "requested access to the resource is denied") \
	X(OCI_UNAVAILABLE, "UNAVAILABLE", 503, "service unavailable") \
	X(OCI_STORAGE_FULL, "UNAVAILABLE", 507, "the storage of the registry is full") \
	X(OCI_TOO_MANY_REQUESTS, "TOOMANYREQUESTS", 429, "too many requests") \
	X(OCI_DIGEST_INVALID, "DIGEST_INVALID", 400, "provided digest did not match uploaded content") \
	X(OCI_DIGEST_MALFORMED, "DIGEST_INVALID", 400, "invalid digest") \
	X(OCI_SIZE_INVALID, "SIZE_INVALID", 400, "provided length did not match content length") \
	X(OCI_RANGE_INVALID, "RANGE_INVALID", 416, "invalid content range") \
	X(OCI_NAME_INVALID, "NAME_INVALID", 400, "invalid repository name") \
	X(OCI_NAME_UNKNOWN, "NAME_UNKNOWN", 404, "repository name not known to registry") \
	X(OCI_TAG_INVALID, "TAG_INVALID", 400, "invalid tag") \
	X(OCI_MANIFEST_UNKNOWN, "MANIFEST_UNKNOWN", 404, "manifest unknown") \
	X(OCI_MANIFEST_INVALID, "MANIFEST_INVALID", 400, "manifest invalid") \
	X(OCI_MANIFEST_TOO_LARGE, "MANIFEST_INVALID", 413, "manifest too large") \
	X(OCI_MANIFEST_BLOB_UNKNOWN, "MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry") \
	X(OCI_BLOB_UNKNOWN, "BLOB_UNKNOWN", 404, "blob unknown to registry") \
	X(OCI_UPLOAD_UNKNOWN, "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry") \
	X(OCI_UPLOAD_INVALID, "BLOB_UPLOAD_INVALID", 400, "blob upload invalid") \
	X(OCI_UPLOAD_BUSY, "BLOB_UPLOAD_INVALID", 409, "another request is writing to this upload") \
	X(OCI_UPLOAD_SLOW, "BLOB_UPLOAD_INVALID", 408, "the body of the request arrived too slowly") \
	X(OCI_PAGINATION_INVALID, "PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")

enum oci_error {
#define X(name, code, status, message) name,
	OCI_ERRORS(X)
#undef X
	    OCI_ERROR_COUNT
};

const char *oci_error_code(enum oci_error e);
int oci_error_status(enum oci_error e);
const char *oci_error_message(enum oci_error e);

/* Appends one element of the "errors" array: the table's message, followed by
 * ": why" unless `why` is absent, and `detail`, JSON text, unless absent. */
void oci_error_item(struct buf *b, enum oci_error e, struct slice why, struct slice detail);

/* Answers with one error. */
void oci_fail(struct http_req *req, enum oci_error e);
/* The same with a reason behind the table's message. */
void oci_fail_why(struct http_req *req, enum oci_error e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with a detail, JSON text, as registry:2 sends it. */
void oci_fail_detail(struct http_req *req, enum oci_error e, struct slice detail);
/* The same with both. */
void oci_fail_with(struct http_req *req, enum oci_error e, struct slice why, struct slice detail);

/*
 * Answers with what became of a request whose storage, database or peer
 * failed, and logs it: 507 for a full disk, 503 when trying again may help,
 * 500 otherwise. Internal texts go to the log only; the client gets the id of
 * the request to ask about.
 */
void oci_fail_system(struct http_req *req, const struct err *err, const char *doing);

#endif
