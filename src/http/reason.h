/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reason.h - why the server refused a request or closed a connection. Each
 * reason is one row of a table here: its status and message for the client and
 * its label in berth_http_refused_total or berth_http_closed_total.
 */
#ifndef BERTH_HTTP_REASON_H
#define BERTH_HTTP_REASON_H

#include "base/defs.h"

/* name, status, label, message for the client */
#define HTTP_REFUSALS(X) \
	X(NONE, 0, "none", "") \
	X(REQUEST_LINE, 400, "request_line", "the request line is malformed") \
	X(LINE_END, 400, "line_end", "a line of the request head does not end in CR LF") \
	X(TARGET, 400, "target", "the request target is malformed") \
	X(FIELD_NAME, 400, "field_name", "the name of a header field is malformed") \
	X(FIELD_SPACE, 400, "space_before_colon", "there is a space between a header field name and its colon") \
	X(FIELD_FOLD, 400, "folded_field", "a header field is folded over several lines") \
	X(FIELD_VALUE, 400, "field_value", "a header field value has a control character") \
	X(HOST_MISSING, 400, "host_missing", "the Host header field is missing") \
	X(HOST_TWICE, 400, "host_twice", "there is more than one Host header field") \
	X(HOST, 400, "host", "the host is malformed") \
	X(LENGTH, 400, "content_length", "the Content-Length header field is malformed") \
	X(LENGTH_TWICE, 400, "content_length_twice", "there is more than one Content-Length") \
	X(LENGTH_AND_CODING, 400, "length_and_coding", "there are both Content-Length and Transfer-Encoding") \
	X(CODING_OLD, 400, "coding_in_http10", "Transfer-Encoding is not a part of HTTP/1.0") \
	X(CODING_TWICE, 400, "coding_twice", "there is more than one Transfer-Encoding") \
	X(CODING, 501, "coding", "the only transfer coding understood is chunked") \
	X(METHOD, 501, "method", "the method is not implemented") \
	X(EXPECT, 417, "expect", "the only expectation understood is 100-continue") \
	X(VERSION, 505, "version", "the only HTTP versions understood are 1.0 and 1.1") \
	X(HEAD_LARGE, 431, "head_too_large", "the request head is too large") \
	X(FIELDS_MANY, 431, "too_many_fields", "the request has too many header fields") \
	X(LINE_LONG, 414, "line_too_long", "the request line is too long") \
	X(HEAD_SLOW, 408, "head_timeout", "the request head did not arrive in time") \
	X(BUSY_THREADS, 503, "threads", "the server is handling as many requests as it may, try again later") \
	X(BUSY_BODIES, 503, "threads_reserved", "the server is receiving as many uploads as it may, try again later") \
	X(BUSY_CONNECTIONS, 503, "connections", "the server has as many connections as it may, try again later") \
	X(BUSY_ADDRESS, 429, "connections_per_address", "there are too many connections from this address") \
	X(NO_MEMORY, 503, "memory", "the request needs more memory than it may take") \
	X(NO_ANSWER, 500, "no_answer", "the server failed to answer this request") \
	X(PLAIN_TO_TLS, 400, "plain_to_tls", "Client sent an HTTP request to an HTTPS server.")

enum refuse {
#define X(name, status, label, message) REFUSE_##name,
	HTTP_REFUSALS(X)
#undef X
	    REFUSE_COUNT
};

/* name, label */
#define HTTP_CLOSES(X) \
	X(CLIENT, "client")               /* the peer closed it between requests */ \
	X(ANSWERED, "answered")           /* after an answer that said so */ \
	X(REFUSED, "refused")             /* after a refusal */ \
	X(IDLE, "idle_timeout")           /* nothing asked for too long */ \
	X(HEAD_SLOW, "head_timeout")      /* a head did not become complete */ \
	X(HANDSHAKE_SLOW, "tls_timeout")  /* a TLS handshake did not become complete */ \
	X(HANDSHAKE, "tls_error")         /* a TLS handshake failed */ \
	X(BODY_SLOW, "body_too_slow")     /* below the minimum rate */ \
	X(BODY_BROKEN, "body_broken")     /* truncated, or malformed chunks */ \
	X(READER_SLOW, "reader_too_slow") /* below the minimum rate */ \
	X(READ, "read_error") \
	X(WRITE, "write_error") \
	X(CONTENT, "content_error") /* what was being sent could not be read */ \
	X(SHED, "shed")             /* idle, and its descriptor was needed */ \
	X(OVERFLOW, "over_limit")   /* at once, far over the connection limits */ \
	X(STOP, "stop")             /* the server stops */

enum close_reason {
#define X(name, label) CLOSE_##name,
	HTTP_CLOSES(X)
#undef X
	    CLOSE_COUNT
};

int refuse_status(enum refuse why);
const char *refuse_label(enum refuse why);
const char *refuse_message(enum refuse why);

/* Each adds one to the counter of its reason. */
void refuse_count(enum refuse why);
void close_count(enum close_reason why);

/* What a server tells the metrics about itself, about once a second. */
struct http_census {
	size_t idle, head, handshake, active, closing; /* connections by state */
	size_t threads;
	uint64_t accepted, received, sent; /* since the last time */
};
void census_publish(const char *server, const struct http_census *c);

#endif
