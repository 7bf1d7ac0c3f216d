/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_names.c - under which names the images of an archive go into the
 * registry: what the archive calls them, without the host of another registry,
 * or what the user says.
 */
#include "transfer/load_priv.h"

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

/* A name as a key of sets: any length becomes a digest. */
static struct digest key_of(struct slice repo, char joint, struct slice rest)
{
	char text[REFERENCE_NAME_MAX + DIGEST_TEXT + 8];
	struct digest key;
	int n = snprintf(text, sizeof(text), "%.*s%c%.*s", SLICE_ARG(repo), joint, SLICE_ARG(rest));

	ASSERT(n > 0 && (size_t)n < sizeof(text));
	digest_of(DIGEST_SHA256, text, (size_t)n, &key);
	return key;
}

static enum err_code add_tag(struct load *l, size_t image, struct slice tag, struct err *err)
{
	struct load_image_plan *i = &l->images[image];
	struct digest key = key_of(i->repo, ':', tag);
	bool added;
	size_t number = digest_set_add(&l->tag_names, &key, 0, &added);

	if (!added && l->tag_images[number] != image)
		return clash(i->repo, tag, &l->images[l->tag_images[number]].digest, &i->digest, err);
	if (!added)
		return ERR_OK;
	l->tag_images = texts_grow(l->tag_images, number, &l->cap_tag_images, sizeof(*l->tag_images));
	l->tag_images[number] = image;
	i->tags = texts_grow(i->tags, i->ntags, &i->cap_tags, sizeof(*i->tags));
	i->tags[i->ntags++] = tag;
	return ERR_OK;
}

enum err_code load_add_image(
    struct load *l, const struct load_entry *e, struct slice repo, struct slice tag, struct err *err)
{
	char text[DIGEST_TEXT];
	struct digest key = key_of(repo, '@', slice_cstr(digest_format(&e->digest, text)));
	bool added;
	size_t image = digest_set_add(&l->image_names, &key, 0, &added);

	if (added) {
		l->images = texts_grow(l->images, l->nimages, &l->cap_images, sizeof(*l->images));
		l->images[l->nimages++] =
		    (struct load_image_plan){.repo = repo, .digest = e->digest, .media_type = e->media_type};
	}
	return tag.p ? add_tag(l, image, tag, err) : ERR_OK;
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
