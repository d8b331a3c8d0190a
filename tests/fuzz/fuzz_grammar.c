/* A GBNF file: refused in one line, or a grammar that is followed for a while with the tokens that it allows. */
#include <string.h>

#include "follow.h"
#include "target.h"
#include "text/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    grammar *g;
    error e = {0};
    if (grammar_open(&g, (const char *)data, size, &e) == OK) {
        follow_grammar(g, size);
    } else {
        target_promise(e.text[0] && !strchr(e.text, '\n'), "what is wrong is one line");
    }
    grammar_close(&g);
    return 0;
}
