/* A .qbin file: every tensor that it has can be read. */
#include "file/qbin.h"
#include "target.h"

enum { DECODED_MAX = 1 << 16 };

static void use(const qbin *q) {
    static float row[DECODED_MAX];
    for (size_t i = 0; i < q->n_tensors; i++) {
        const tensor *t = &q->tensors[i];
        target_promise(qbin_tensor(q, t->name) == t, "a tensor is found by its name");
        target_promise((uintptr_t)t->data % 64 == 0, "a tensor is aligned");
        target_promise(t->data + t->bytes <= q->map.data + q->map.size, "a tensor lies in its file");
        if (t->ndim != 2 || t->k > DECODED_MAX) continue;
        format_decode_row(&t->format, &t->layout, t->data, 0, t->k, row);
        format_decode_row(&t->format, &t->layout, t->data, t->rows - 1, t->k, row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    qbin q;
    error e;
    if (qbin_open(&q, target_qbin(data, size), &e) == OK) {
        use(&q);
        qbin_verify(&q, NULL, &e);
    }
    qbin_close(&q);
    return 0;
}
