/* A GGUF file: it is refused, or its tensors lie in it and what it says becomes files that can be read. */
#include <stdlib.h>
#include <string.h>

#include "file/gguf.h"
#include "models/arch.h"
#include "models/gguf.h"
#include "target.h"
#include "text/tokenizer.h"

/* The first and the last block of every tensor can be read. */
static void use_tensors(const checkpoint *c) {
    for (size_t i = 0; i < c->n_tensors; i++) {
        const source *t = &c->tensors[i];
        float out[256];
        target_promise(t->data >= t->file->data && t->bytes <= (uint64_t)(t->file->data + t->file->size - t->data), "a tensor lies in its file");
        target_promise(checkpoint_find(c, t->name) == t, "a tensor is found by its name");
        if (!t->type || !t->bytes) continue;
        t->type->widen(out, t->data, t->type->block);
        t->type->widen(out, t->data + t->bytes - t->type->bytes, t->type->block);
    }
}

static void use_model(gguf *g) {
    json_t *made;
    error e;
    spec s;
    wanted_list list;
    if (gguf_model(g, &made, &e) != OK) return;
    use_tensors(&g->tensors);
    if (arch_resolve_config(&g->tensors, "config.json", made, NULL, &s, &list, &e) == OK) {
        wanted_free(&list);
        spec_free(&s);
    }
    json_decref(made);
}

static void use_tokenizer(const gguf *g) {
    json_t *json, *around;
    error e;
    if (gguf_tokenizer(g, &json, &around, &e) != OK || !json) return;
    char *text = json_dumps(json, JSON_COMPACT), *more = json_dumps(around, JSON_COMPACT);
    uint8_t *block;
    size_t bytes;
    target_promise(text && more, "a tokenizer that was made can be written");
    if (tokenizer_compile(text, strlen(text), more, strlen(more), &block, &bytes, &e) == OK) free(block);
    free(text);
    free(more);
    json_decref(json);
    json_decref(around);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gguf g;
    error e;
    if (gguf_open(&g, target_file(data, size), &e) == OK) {
        use_tensors(&g.tensors);
        use_tokenizer(&g);
        use_model(&g);
    }
    gguf_close(&g);
    return 0;
}
