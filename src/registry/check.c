/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - what a manifest must satisfy; see check.h. */
#include "registry/check.h"

static bool any_matches(const regex_t *const *v, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		if (regexec(v[i], text, 0, NULL, 0) == 0)
			return true;
	}
	return false;
}

static bool url_allowed(const struct registry_options *o, struct arena *a, struct slice url)
{
	const char *text = arena_strdup(a, url);

	if (!text || slice_find(url, '\0') >= 0)
		return false;
	if (!slice_starts_icase(url, SLICE("http://")) && !slice_starts_icase(url, SLICE("https://")))
		return false;
	if (o->validation_disabled)
		return true;
	if (any_matches(o->urls_deny, o->n_urls_deny, text))
		return false;
	if (o->n_urls_allow == 0)
		return o->n_urls_deny > 0; /* with neither list no URL is allowed, as in registry:2 */
	return any_matches(o->urls_allow, o->n_urls_allow, text);
}

static enum err_code check_urls(
    const struct registry_options *o, const struct manifest *m, struct arena *a, struct err *err)
{
	for (size_t i = 0; i < m->nrefs; i++) {
		for (size_t k = 0; k < m->info[i].nurls; k++) {
			if (!url_allowed(o, a, m->info[i].urls[k]))
				return err_set(err, ERR_INVALID, "%.*s: the URL '%.*s' is not allowed here",
				    SLICE_ARG(m->info[i].what), SLICE_ARG(slice_sub(m->info[i].urls[k], 0, 500)));
		}
	}
	return ERR_OK;
}

/* Marks the references that need not be there by configuration. */
static void relax(const struct registry_options *o, struct manifest *m)
{
	for (size_t i = 0; i < m->nrefs; i++) {
		struct meta_ref *ref = &m->refs[i];
		bool listed = o->index_check == REGISTRY_INDEX_ALL;

		for (size_t k = 0; o->index_check == REGISTRY_INDEX_LIST && k < o->n_platforms; k++) {
			listed |= slice_eq_cstr(m->info[i].os, o->platforms[k].os) &&
			          slice_eq_cstr(m->info[i].architecture, o->platforms[k].architecture);
		}
		if (o->validation_disabled || (ref->kind == META_REF_CHILD && !listed))
			ref->required = false;
	}
}

/* A descriptor that gives another size than the blob has would break every
 * pull. What is missing altogether is found in the transaction. */
static enum err_code check_sizes(
    const struct registry_options *o, struct slice repo, const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->nrefs; i++) {
		char text[DIGEST_TEXT];
		struct meta_blob blob;
		enum err_code rc;

		if (!m->refs[i].required || m->refs[i].kind == META_REF_CHILD)
			continue;
		rc = meta_blob_get(o->meta, repo, &m->refs[i].digest, &blob, err);
		if (rc == ERR_NOT_FOUND || (rc == ERR_OK && blob.size == (uint64_t)m->info[i].size))
			continue;
		if (rc)
			return rc;
		return err_set(err, ERR_INVALID, "%.*s: the manifest says %lld bytes, the blob %s has %llu",
		    SLICE_ARG(m->info[i].what), (long long)m->info[i].size, digest_format(&m->refs[i].digest, text),
		    (unsigned long long)blob.size);
	}
	return ERR_OK;
}

enum err_code manifest_check(
    const struct registry_options *o, struct slice repo, struct manifest *m, struct arena *a, struct err *err)
{
	enum err_code rc;

	relax(o, m);
	rc = check_urls(o, m, a, err);
	return rc ? rc : check_sizes(o, repo, m, err);
}
