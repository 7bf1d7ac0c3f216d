/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_names.c - under which names the images of an archive go into the
 * registry: what the archive calls them, without the host of another registry,
 * or what the user says.
 */
#include "transfer/load_priv.h"

#include <string.h>

/* ---- one name ------------------------------------------------------------------- */

/* A first component that is the host of a registry, as clients tell it. */
static struct slice without_host(struct slice name)
{
	struct slice rest = name, first = slice_cut(&rest, '/');

	if (rest.p && (slice_find(first, '.') >= 0 || slice_find(first, ':') >= 0 || slice_eq_cstr(first, "localhost")))
		return rest;
	return name;
}

bool load_parse_name(struct slice text, struct slice *repo, struct slice *tag)
{
	struct slice name = slice_cut(&text, '@');
	ssize_t colon = slice_rfind(name, ':'), slash = slice_rfind(name, '/');
	const char *why;

	*tag = SLICE_NONE;
	if (colon > slash) {
		*tag = slice_from(name, (size_t)colon + 1);
		name = slice_sub(name, 0, (size_t)colon);
	} else if (!text.p) {
		*tag = SLICE("latest");
	}
	*repo = without_host(name);
	return reference_name_valid(*repo, &why) && (!tag->p || reference_tag_valid(*tag));
}

static enum err_code split_name(const char *name, struct slice *repo, struct slice *tag, struct err *err)
{
	struct slice text = slice_cstr(name);
	ssize_t colon = slice_rfind(text, ':'), slash = slice_rfind(text, '/');
	const char *why;

	*tag = SLICE_NONE;
	*repo = text;
	if (colon > slash) {
		*repo = slice_sub(text, 0, (size_t)colon);
		*tag = slice_from(text, (size_t)colon + 1);
	}
	if (!reference_name_valid(*repo, &why))
		return err_set(err, ERR_INVALID, "'%s' is no REPOSITORY[:TAG]: %s", name, why);
	if (tag->p && !reference_tag_valid(*tag))
		return err_set(err, ERR_INVALID,
		    "'%s' is no REPOSITORY[:TAG]: a tag is up to 128 letters, digits, '_', '.' and '-'", name);
	return ERR_OK;
}

enum err_code load_name_check(const char *name, struct err *err)
{
	struct slice repo, tag;

	return split_name(name, &repo, &tag, err);
}

enum err_code load_take_name(struct load *l, struct err *err)
{
	struct slice repo, tag;
	enum err_code rc;

	if (!l->o->name)
		return ERR_OK;
	rc = split_name(l->o->name, &repo, &tag, err);
	if (rc == ERR_OK &&
	    (!slice_to_cstr(repo, l->repo, sizeof(l->repo)) || !slice_to_cstr(tag, l->tag, sizeof(l->tag))))
		rc = err_set(err, ERR_INVALID, "the name '%s' is too long", l->o->name);
	return rc;
}

/* ---- images ---------------------------------------------------------------------- */

static enum err_code clash(
    struct slice repo, struct slice tag, const struct digest *a, const struct digest *b, struct err *err)
{
	char x[DIGEST_TEXT], y[DIGEST_TEXT];

	return err_set(err, ERR_CONFLICT,
	    "both %s and %s in the archive would become %.*s:%.*s: import them one by one with --name, or from archives of one "
	    "image each",
	    digest_format(a, x), digest_format(b, y), SLICE_ARG(repo), SLICE_ARG(tag));
}

static bool has_tag(const struct load_image_plan *i, struct slice tag)
{
	for (size_t k = 0; k < i->ntags; k++) {
		if (slice_eq(i->tags[k], tag))
			return true;
	}
	return false;
}

static enum err_code add_tag(struct load *l, struct load_image_plan *i, struct slice tag, struct err *err)
{
	struct slice *tags = arena_alloc(&l->arena, (i->ntags + 1) * sizeof(*tags));

	if (!tags)
		return err_set(err, ERR_TOO_LARGE, "the archive has too many names: import it in parts");
	if (i->ntags)
		memcpy(tags, i->tags, i->ntags * sizeof(*tags));
	tags[i->ntags] = tag;
	i->tags = tags;
	i->ntags++;
	return ERR_OK;
}

enum err_code load_add_image(
    struct load *l, const struct load_entry *e, struct slice repo, struct slice tag, struct err *err)
{
	struct load_image_plan *same = NULL;

	for (size_t i = 0; i < l->nimages; i++) {
		struct load_image_plan *image = &l->images[i];

		if (!slice_eq(image->repo, repo))
			continue;
		if (digest_eq(&image->digest, &e->digest))
			same = image;
		else if (tag.p && has_tag(image, tag))
			return clash(repo, tag, &image->digest, &e->digest, err);
	}
	if (!same) {
		l->images = texts_grow(l->images, l->nimages, &l->cap_images, sizeof(*l->images));
		same = &l->images[l->nimages++];
		*same = (struct load_image_plan){.repo = repo, .digest = e->digest, .media_type = e->media_type};
	}
	if (!tag.p || has_tag(same, tag))
		return ERR_OK;
	return add_tag(l, same, tag, err);
}

/* ---- which names ------------------------------------------------------------------- */

/* Referrers, and the images of an index beside it, are not what --name means. */
static bool is_extra(const struct load_entry *e)
{
	return !e->name.p && !e->tag.p && (e->referrer || e->covered);
}

/* An error that lists what is in the archive and has no repository. */
static enum err_code no_names(struct load *l, struct err *err)
{
	struct buf list = BUF_INIT(600);
	bool tagged = false;
	size_t n = 0;

	for (size_t i = 0; i < l->nentries; i++) {
		const struct load_entry *e = &l->entries[i];
		char text[DIGEST_TEXT];

		if (e->name.p || is_extra(e))
			continue;
		n++;
		tagged |= e->tag.p != NULL;
		if (n <= 4)
			buf_addf(&list, "%s%.*s%s%.19s", n > 1 ? ", " : "", SLICE_ARG(slice_sub(e->tag, 0, 60)),
			    e->tag.n ? " is " : "", digest_format(&e->digest, text));
	}
	if (n > 4)
		buf_addf(&list, " and %zu more", n - 4);
	if (n == 0)
		buf_addf(&list, "%zu that refer to images elsewhere", l->nentries);
	err_set(err, ERR_INVALID,
	    "the archive does not say which repository its images belong to (%s): say so with --name %s",
	    buf_cstr(&list), n == 1 && !tagged ? "REPOSITORY:TAG" : "REPOSITORY");
	buf_free(&list);
	return ERR_INVALID;
}

static enum err_code bad_name(struct slice name, struct err *err)
{
	char shown[200];

	return err_set(err, ERR_INVALID,
	    "an image of the archive is called '%s', which is no name here: give it one with --name",
	    source_printable(name, shown));
}

static struct slice own_tag(const struct load_entry *e)
{
	struct slice repo, tag;

	if (e->name.p)
		return load_parse_name(e->name, &repo, &tag) ? tag : SLICE_NONE;
	return e->tag.p && reference_tag_valid(e->tag) ? e->tag : SLICE_NONE;
}

/* How many images there are, one of them, and whether any has a tag. */
static size_t count_images(struct load *l, struct load_entry **one, bool *tagged)
{
	size_t images = 0;

	*one = NULL;
	*tagged = false;
	for (size_t i = 0; i < l->nentries; i++) {
		struct load_entry *e = &l->entries[i];

		*tagged |= own_tag(e).p != NULL;
		if (is_extra(e) || (*one && digest_eq(&(*one)->digest, &e->digest)))
			continue;
		*one = e;
		images++;
	}
	return images;
}

static enum err_code name_given(struct load *l, struct err *err)
{
	struct slice repo = slice_cstr(l->repo);
	struct load_entry *only;
	bool tagged;
	size_t images = count_images(l, &only, &tagged);
	enum err_code rc = ERR_OK;

	if (l->tag[0] && images != 1)
		return err_set(err, ERR_INVALID,
		    "the archive has %zu images, and --name %s is one: use --name %s, which keeps their tags", images,
		    l->o->name, l->repo);
	for (size_t i = 0; rc == ERR_OK && i < l->nentries; i++) {
		struct load_entry *e = &l->entries[i];
		bool one = only && digest_eq(&e->digest, &only->digest) && images == 1;
		struct slice tag = own_tag(e);

		if (e->covered)
			continue;
		if (l->tag[0])
			tag = one ? slice_cstr(l->tag) : SLICE_NONE;
		else if (one && !tagged)
			tag = SLICE("latest");
		e->placed = true;
		rc = load_add_image(l, e, repo, tag, err);
	}
	return rc;
}

static enum err_code name_by_archive(struct load *l, struct err *err)
{
	bool any = false, only_tag = false;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < l->nentries; i++) {
		struct load_entry *e = &l->entries[i];
		struct slice repo, tag;

		only_tag |= !e->name.p && e->tag.p;
		if (!e->name.p)
			continue;
		if (!load_parse_name(e->name, &repo, &tag))
			return bad_name(e->name, err);
		any = e->placed = true;
		rc = load_add_image(l, e, repo, tag, err);
	}
	return rc == ERR_OK && (!any || only_tag) ? no_names(l, err) : rc;
}

enum err_code load_name_entries(struct load *l, struct err *err)
{
	return l->repo[0] ? name_given(l, err) : name_by_archive(l, err);
}
