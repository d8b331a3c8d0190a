/* tokenizer_source.h: the tokenizer of whatever a person names: a model folder, a tokenizer.json or tokenizer.model, or a .qbin file. */
#ifndef QBIN_TOOLS_TOKENIZER_SOURCE_H
#define QBIN_TOOLS_TOKENIZER_SOURCE_H

#include "file/qbin.h"
#include "text/tokenizer.h"

typedef struct tokenizer_source {
    tokenizer *tokenizer;
    qbin file;         /* if it comes from a .qbin */
    uint8_t *block;    /* if it was compiled here */
    size_t bytes;      /* of the compiled tokenizer */
    double seconds[2]; /* compiling, opening */
} tokenizer_source;

/* Of a folder, tokenizer.json goes before tokenizer.model; tokenizer_config.json and the like beside it are read too. E_FILE names the file. */
status tokenizer_source_open(tokenizer_source *s, const char *path, error *e);
void tokenizer_source_close(tokenizer_source *s); /* takes {0} too */

#endif
