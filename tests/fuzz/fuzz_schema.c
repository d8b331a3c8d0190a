/* A JSON Schema: refused in one line, or a grammar whose texts are JSON. */
#include <string.h>

#include "follow.h"
#include "target.h"
#include "text/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    grammar *g;
    error e = {0};
    if (schema_open(&g, (const char *)data, size, &e) == OK) {
        follow_schema(g, size);
    } else {
        target_promise(e.text[0] && !strchr(e.text, '\n'), "what is wrong is one line");
    }
    grammar_close(&g);
    return 0;
}
