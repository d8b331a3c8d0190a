/* schema.h: a JSON Schema as a grammar: every text that the grammar matches is JSON that the schema accepts. It may accept more: objects have their
 * properties in the order of the schema and no others unless it asks for them, numbers have few digits, blanks are few (docs/grammar.md has the list). A
 * keyword that restricts what is accepted and is not understood is refused by name and pointer, never ignored. */
#ifndef QBIN_TEXT_SCHEMA_H
#define QBIN_TEXT_SCHEMA_H

#include "text/grammar.h"

/* E_FILE begins with a pointer to what is wrong, such as #/properties/a/pattern. */
status schema_open(grammar **out, const char *json, size_t bytes, error *e);

/* The names of what is understood, one after the other; NULL after the last. */
const char *schema_keyword(size_t i);
const char *schema_format(size_t i);

#endif
