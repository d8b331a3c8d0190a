/* plain_config.h: a small Llama config.json that tests change key by key. */
#ifndef QBIN_TESTS_PLAIN_CONFIG_H
#define QBIN_TESTS_PLAIN_CONFIG_H

#include <jansson.h>

#include "models/arch.h"

/* The plain config with further keys; a key that is there already is replaced, null counts as absent. New reference. */
json_t *config_with(const char *changes);

/* Its spec. configured() insists on success. */
status configure_with(spec *s, const char *changes, error *e);
spec configured(const char *changes);

#endif
