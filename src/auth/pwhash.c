/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pwhash.c - password hashes by crypt(3); see pwhash.h.
 *
 * The shape of a hash is checked here before libxcrypt sees it, so that what
 * verifies at all is decided by this file and not by how the system's libcrypt
 * was configured, and so that a typing error is found when the file is read
 * rather than when its user cannot log in.
 */
#include "auth/pwhash.h"
#include "base/codec.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define BCRYPT_TEXT 60
#define SALT_MAX 16

/* The alphabet of crypt(3)'s base 64, in one order or another. */
static bool crypt_chars(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		        c == '/'))
			return false;
	}
	return true;
}

static const char *bcrypt_refusal(struct slice hash)
{
	uint64_t cost;

	if (hash.n != BCRYPT_TEXT || hash.p[3] != '$' || hash.p[6] != '$' ||
	    !slice_u64(slice_sub(hash, 4, 2), 31, &cost) || !crypt_chars(slice_from(hash, 7)))
		return "a malformed bcrypt hash (it must be 60 characters, as `htpasswd -B` writes it)";
	if (cost < PWHASH_BCRYPT_MIN)
		return "a bcrypt hash with a cost under 4, which bcrypt does not know";
	if (cost > PWHASH_BCRYPT_MAX)
		return "a bcrypt hash with a cost over 17, which would take minutes to check; "
		       "make it again with `htpasswd -B -C 10`";
	return NULL;
}

/* "$5$rounds=5000$salt$hash" */
static const char *sha_refusal(struct slice hash, size_t encoded)
{
	struct slice rest = slice_from(hash, 3), salt, prefix = SLICE("rounds=");

	if (slice_starts(rest, prefix)) {
		struct slice rounds = slice_from(slice_cut(&rest, '$'), prefix.n);
		uint64_t n;

		if (!slice_u64(rounds, UINT32_MAX, &n) || n < PWHASH_ROUNDS_MIN)
			return "a SHA-crypt hash with a malformed number of rounds";
		if (n > PWHASH_ROUNDS_MAX)
			return "a SHA-crypt hash with over 5000000 rounds, which would take too long to check; "
			       "make it again with `htpasswd -B`";
	}
	salt = slice_cut(&rest, '$');
	if (!rest.p || salt.n > SALT_MAX || !crypt_chars(salt) || rest.n != encoded || !crypt_chars(rest))
		return "a malformed SHA-crypt hash; make it again with `htpasswd -B`";
	return NULL;
}

const char *pwhash_refusal(struct slice hash)
{
	if (hash.n == 0)
		return "no password hash; make the entry again with `htpasswd -B`";
	if (slice_starts(hash, SLICE("$2y$")) || slice_starts(hash, SLICE("$2b$")) || slice_starts(hash, SLICE("$2a$")))
		return bcrypt_refusal(hash);
	if (slice_starts(hash, SLICE("$5$")))
		return sha_refusal(hash, 43);
	if (slice_starts(hash, SLICE("$6$")))
		return sha_refusal(hash, 86);
	if (slice_starts(hash, SLICE("$apr1$")) || slice_starts(hash, SLICE("$1$")))
		return "an MD5 hash, which is too weak; make the entry again with `htpasswd -B`";
	if (slice_starts_icase(hash, SLICE("{SHA}")) || slice_starts_icase(hash, SLICE("{SSHA}")))
		return "a SHA-1 hash, which is too weak; make the entry again with `htpasswd -B`";
	if (hash.p[0] == '$')
		return "a hash of a kind that is not supported; make the entry again with `htpasswd -B`";
	return "a plain text password or a DES hash; make the entry again with `htpasswd -B`";
}

/* crypt(3) on the heap: its work area is 32 KiB and holds secrets. */
static bool run_crypt(const char *phrase, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *result = crypt_rn(phrase, setting, data, sizeof(*data));
	bool ok = result && slice_to_cstr(slice_cstr(result), out, CRYPT_OUTPUT_SIZE);

	OPENSSL_cleanse(data, sizeof(*data));
	free(data);
	return ok;
}

/* The bytes of a password that count, as a C string. */
static bool phrase_of(struct slice password, bool bcrypt, char out[PWHASH_PASSWORD_MAX + 1])
{
	size_t n = password.n;

	if (bcrypt && n > PWHASH_BCRYPT_BYTES)
		n = PWHASH_BCRYPT_BYTES;
	if (n > PWHASH_PASSWORD_MAX)
		n = PWHASH_PASSWORD_MAX;
	if (n)
		memcpy(out, password.p, n);
	out[n] = '\0';
	return slice_find(password, '\0') < 0 && (bcrypt || n == password.n);
}

bool pwhash_verify(const char *hash, struct slice password)
{
	char phrase[PWHASH_PASSWORD_MAX + 1], out[CRYPT_OUTPUT_SIZE];
	bool usable = phrase_of(password, hash[1] == '2', phrase);
	bool done = run_crypt(phrase, hash, out);
	size_t n = strlen(hash);
	bool same = done && strlen(out) == n && CRYPTO_memcmp(out, hash, n) == 0;

	OPENSSL_cleanse(phrase, sizeof(phrase));
	return usable && same;
}

enum err_code pwhash_make(
    enum pwhash_kind kind, unsigned cost, struct slice password, char out[PWHASH_TEXT], struct err *err)
{
	static const struct {
		const char *prefix;
		unsigned min, max, standard;
	} kinds[] = {
	    [PWHASH_BCRYPT] = {"$2y$", PWHASH_BCRYPT_MIN, PWHASH_BCRYPT_MAX, PWHASH_BCRYPT_DEFAULT},
	    [PWHASH_SHA256] = {"$5$", PWHASH_ROUNDS_MIN, PWHASH_ROUNDS_MAX, PWHASH_ROUNDS_DEFAULT},
	    [PWHASH_SHA512] = {"$6$", PWHASH_ROUNDS_MIN, PWHASH_ROUNDS_MAX, PWHASH_ROUNDS_DEFAULT},
	};
	char phrase[PWHASH_PASSWORD_MAX + 1], setting[CRYPT_GENSALT_OUTPUT_SIZE], text[CRYPT_OUTPUT_SIZE], random[16];
	bool ok;

	if (cost == 0)
		cost = kinds[kind].standard;
	if (cost < kinds[kind].min || cost > kinds[kind].max)
		return err_set(err, ERR_INVALID, "the %s must be between %u and %u, not %u",
		    kind == PWHASH_BCRYPT ? "bcrypt cost" : "number of rounds", kinds[kind].min, kinds[kind].max, cost);
	if (slice_find(password, '\0') >= 0)
		return err_set(err, ERR_INVALID, "the password holds a NUL byte");
	if (!phrase_of(password, kind == PWHASH_BCRYPT, phrase))
		return err_set(err, ERR_TOO_LARGE, "the password is longer than %d bytes", PWHASH_PASSWORD_MAX);
	random_bytes(random, sizeof(random));
	if (!crypt_gensalt_rn(kinds[kind].prefix, cost, random, sizeof(random), setting, sizeof(setting)))
		return err_sys(err, errno, "this system's libcrypt makes no %s hashes", kinds[kind].prefix);
	ok = run_crypt(phrase, setting, text) && !pwhash_refusal(slice_cstr(text)) &&
	     slice_to_cstr(slice_cstr(text), out, PWHASH_TEXT);
	OPENSSL_cleanse(phrase, sizeof(phrase));
	if (!ok)
		return err_set(err, ERR_UNSUPPORTED, "this system's libcrypt makes no %s hashes", kinds[kind].prefix);
	return ERR_OK;
}
