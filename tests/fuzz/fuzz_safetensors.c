/* A .safetensors file. */
#include "file/safetensors.h"
#include "target.h"

/* Every tensor lies in its file and has the bytes that its shape needs. */
static void use(const checkpoint *c) {
    for (size_t i = 0; i < c->n_tensors; i++) {
        const source *t = &c->tensors[i];
        float out;
        target_promise(t->data >= t->file->data && t->bytes <= (uint64_t)(t->file->data + t->file->size - t->data), "a tensor lies in its file");
        target_promise(checkpoint_find(c, t->name) == t, "a tensor is found by its name");
        if (!t->type || !t->bytes) continue;
        t->type->widen(&out, t->data, 1);
        t->type->widen(&out, t->data + t->bytes - t->type->bytes, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    checkpoint c;
    error e;
    if (checkpoint_open(&c, target_file(data, size), &e) == OK) use(&c);
    checkpoint_close(&c);
    return 0;
}
