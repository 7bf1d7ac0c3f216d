/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - libarchive and zlib, loaded when an archive is first read or
 * written: with libarchive come libraries of megabytes, which a registry that
 * only serves never needs. `tar.read_new()` is archive_read_new() once
 * tar_load() has succeeded, `zlib.inflate()` is inflate() after zlib_load().
 *
 * A berth that was built without the headers of libarchive or zlib has neither,
 * and both functions say so. Thread-safe; what is loaded stays to the end of
 * the process.
 */
#ifndef BERTH_ARCHIVE_LIBRARY_H
#define BERTH_ARCHIVE_LIBRARY_H

#include "base/err.h"

enum err_code tar_load(struct err *err) MUST_USE;
enum err_code zlib_load(struct err *err) MUST_USE;

#ifdef BERTH_ARCHIVES
#include <archive.h>
#include <archive_entry.h>
#define ZLIB_CONST
#include <zlib.h>

#define TAR_FUNCTIONS(X) \
	X(read_new) \
	X(read_support_filter_gzip) \
	X(read_support_filter_zstd) \
	X(read_support_filter_bzip2) \
	X(read_support_filter_xz) \
	X(read_support_format_tar) \
	X(read_open) \
	X(read_next_header) \
	X(read_data) \
	X(read_free) \
	X(error_string) \
	X(set_error) \
	X(entry_new) \
	X(entry_free) \
	X(entry_filetype) \
	X(entry_hardlink) \
	X(entry_pathname) \
	X(entry_size) \
	X(entry_size_is_set) \
	X(entry_sparse_count) \
	X(entry_symlink) \
	X(entry_set_filetype) \
	X(entry_set_mtime) \
	X(entry_set_pathname) \
	X(entry_set_perm) \
	X(entry_set_size) \
	X(write_new) \
	X(write_add_filter_gzip) \
	X(write_set_filter_option) \
	X(write_set_format_pax_restricted) \
	X(write_set_bytes_per_block) \
	X(write_set_bytes_in_last_block) \
	X(write_open) \
	X(write_header) \
	X(write_data) \
	X(write_close) \
	X(write_free)

struct tar_functions {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member has no parentheses */
#define X(name) __typeof__(archive_##name) *name;
	TAR_FUNCTIONS(X)
#undef X
};
extern struct tar_functions tar;

#define ZLIB_FUNCTIONS(X) \
	X(deflateInit2_) \
	X(deflate) \
	X(deflateEnd) \
	X(inflateInit2_) \
	X(inflate) \
	X(inflateReset) \
	X(inflateEnd)

struct zlib_functions {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member has no parentheses */
#define X(name) __typeof__(name) *name;
	ZLIB_FUNCTIONS(X)
#undef X
};
extern struct zlib_functions zlib;
#endif

#endif
