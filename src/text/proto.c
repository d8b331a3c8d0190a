#include "text/proto.h"

static status broken(const proto_reader *r, const char *what, error *e) {
    return fail(e, E_FILE, "%s at byte %zu", what, r->base + (r->all.n - r->rest.n));
}

static void skip(proto_reader *r, size_t n) {
    r->rest = slice_part(r->rest, n, r->rest.n);
}

static status read_varint(proto_reader *r, uint64_t *value, error *e) {
    *value = 0;
    for (size_t i = 0; i < 10 && i < r->rest.n; i++) {
        const uint8_t b = r->rest.p[i];
        *value |= (uint64_t)(b & 0x7f) << 7 * i;
        if (b & 0x80) continue;
        if (i == 9 && b > 1) break;
        skip(r, i + 1);
        return OK;
    }
    return broken(r, "a number without an end", e);
}

static status read_fixed(proto_reader *r, size_t n, uint64_t *value, error *e) {
    if (r->rest.n < n) return broken(r, "a number that is cut off", e);
    *value = 0;
    for (size_t i = 0; i < n; i++) *value |= (uint64_t)r->rest.p[i] << 8 * i;
    skip(r, n);
    return OK;
}

static status read_bytes(proto_reader *r, slice *bytes, error *e) {
    uint64_t n;
    TRY(read_varint(r, &n, e));
    if (n > r->rest.n) return broken(r, "a field longer than its message", e);
    *bytes = slice_part(r->rest, 0, n);
    skip(r, n);
    return OK;
}

status proto_next(proto_reader *r, proto_field *f, error *e) {
    uint64_t key;
    const proto_reader before = *r;
    TRY(read_varint(r, &key, e));
    *f = (proto_field){.number = (uint32_t)(key >> 3), .wire = (proto_wire)(key & 7)};
    if (key >> 3 == 0 || key >> 32) return broken(&before, "a field without a number", e);
    if (f->wire == PROTO_VARINT) return read_varint(r, &f->value, e);
    if (f->wire == PROTO_BYTES) return read_bytes(r, &f->bytes, e);
    if (f->wire == PROTO_FIXED32) return read_fixed(r, 4, &f->value, e);
    if (f->wire == PROTO_FIXED64) return read_fixed(r, 8, &f->value, e);
    return broken(&before, "a field of a type that is not known", e);
}

static void store(const proto_row *row, const proto_field *f, void *out) {
    uint8_t *to = (uint8_t *)out + row->offset;
    const int64_t number = (int64_t)f->value;
    const uint32_t bits = (uint32_t)f->value;
    if (row->wire == PROTO_VARINT) memcpy(to, &number, sizeof number);
    if (row->wire == PROTO_FIXED32) memcpy(to, &bits, sizeof bits);
    if (row->wire == PROTO_BYTES) memcpy(to, &f->bytes, sizeof f->bytes);
}

status proto_read(slice message, size_t base, const proto_row *rows, void *out, error *e) {
    proto_reader r = {message, message, base};
    while (r.rest.n > 0) {
        proto_field f;
        const proto_reader before = r;
        TRY(proto_next(&r, &f, e));
        const proto_row *row = rows;
        while (row->number && row->number != f.number) row++;
        if (row->number && row->wire != f.wire) return broken(&before, "a field of another type than it has", e);
        if (row->number) store(row, &f, out);
    }
    return OK;
}
