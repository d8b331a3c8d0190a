/* config.h: a config.json that is read key by key. Owns the bookkeeping of which keys were read; a key that nobody read and that is not known to be
 * harmless is refused by name, because it might change the mathematics. A value of null counts as an absent key. */
#ifndef QBIN_MODELS_CONFIG_H
#define QBIN_MODELS_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct config {
    const json_t *object; /* borrowed: the whole file, or an object in it */
    json_t *seen;         /* owned: the keys that were read */
    const char *where;    /* for messages: "rope_scaling", or "" at the top */
} config;

/* `object` must be a JSON object and outlive the config. config_close takes {0} too. */
status config_open(config *c, const json_t *object, const char *where, error *e);
void config_close(config *c);

/* The value, or NULL if absent or null. Counts as read either way. */
const json_t *config_get(config *c, const char *key);

/* Is the key there, even as null? For defaults that only an absent key means. */
bool config_has(const config *c, const char *key);

/* Typed values. `fallback` is used when the key is absent; CONFIG_NEEDED, NAN and NULL mean that it must be there. */
#define CONFIG_NEEDED UINT32_MAX
status config_uint(config *c, const char *key, uint32_t fallback, uint32_t *out, error *e);
status config_number(config *c, const char *key, double fallback, double *out, error *e);
status config_bool(config *c, const char *key, bool fallback, bool *out, error *e);
status config_text(config *c, const char *key, const char *fallback, const char **out, error *e); /* borrowed */

/* The value must be one of `allowed` (NULL-terminated; the first is the fallback). */
status config_one_of(config *c, const char *key, const char *const *allowed, error *e);

/* A token id, a list of them or null: at most `room` ids below `vocab` into ids[*n]. */
status config_ids(config *c, const char *key, uint32_t vocab, size_t room, int32_t *ids, uint32_t *n, error *e);

/* Refuses by name the first key that was not read, unless it is null, one of `harmless` (NULL-terminated) or has its neutral value. At the top level
 * harmless is config_harmless. */
status config_finish(const config *c, const char *const *harmless, error *e);
extern const char *const config_harmless[];

#endif
