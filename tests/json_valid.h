/* json_valid.h: does a JSON Schema accept a value? As its text says, for tests of what is generated; knows nothing of grammars. Keywords that the tests do not
 * use are not checked. */
#ifndef QBIN_TESTS_JSON_VALID_H
#define QBIN_TESTS_JSON_VALID_H

#include <jansson.h>
#include <stdbool.h>

bool json_valid(const json_t *schema, const json_t *value);

#endif
