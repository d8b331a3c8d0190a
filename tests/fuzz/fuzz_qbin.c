/* A .qbin file whose checksums and size are made right first: otherwise nearly every mutation would end at a checksum. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "file/qbin.h"
#include "file/qbin_disk.h"
#include "target.h"

enum { DECODED_MAX = 1 << 16 };

static void make_right(uint8_t *file, size_t size) {
    disk_header h;
    if (size < sizeof h) return;
    memcpy(&h, file, sizeof h);
    memcpy(h.magic, QBIN_MAGIC, sizeof h.magic);
    h.file_bytes = size;
    if (h.meta_end >= sizeof h && h.meta_end <= size) h.meta_hash = XXH3_64bits(file + sizeof h, h.meta_end - sizeof h);
    h.header_hash = XXH3_64bits(&h, offsetof(disk_header, header_hash));
    memcpy(file, &h, sizeof h);
}

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
    uint8_t *file = malloc(size + 1);
    memcpy(file, data, size);
    make_right(file, size);
    const char *path = target_file(file, size);
    free(file);
    qbin q;
    error e;
    if (qbin_open(&q, path, &e) == OK) {
        use(&q);
        qbin_verify(&q, NULL, &e);
    }
    qbin_close(&q);
    return 0;
}
