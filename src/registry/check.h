/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - what a manifest must satisfy to be stored, beyond being one: the
 * rules of the configuration, and sizes that are those of the blobs. One place
 * for all ways in: a push, and an archive that is imported. Thread-safe.
 */
#ifndef BERTH_REGISTRY_CHECK_H
#define BERTH_REGISTRY_CHECK_H

#include "registry/manifest.h"
#include "registry/registry.h"

/*
 * Marks the references that need not be there by configuration, and checks the
 * rest but for whether it is there, which the transaction does that stores the
 * manifest (meta_tx_manifest_put). ERR_INVALID with what is wrong with it, others
 * when the metadata could not be asked. Of the options `meta` and those of
 * validation are used.
 */
enum err_code manifest_check(
    const struct registry_options *o, struct slice repo, struct manifest *m, struct arena *a, struct err *err) MUST_USE;

#endif
