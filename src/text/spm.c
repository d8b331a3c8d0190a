#include "text/spm.h"

#include <math.h>
#include <stdlib.h>

#include "text/proto.h"
#include "text/unicode.h"

enum { FILE_MAX = 1 << 24, PIECES = 1, TRAINER = 2, NORMALIZER = 3, DENORMALIZER = 5 };

static const proto_row piece_rows[] = {
    {1, PROTO_BYTES, offsetof(spm_piece, text)},
    {2, PROTO_FIXED32, offsetof(spm_piece, score)},
    {3, PROTO_VARINT, offsetof(spm_piece, type)},
    {0},
};
static const proto_row trainer_rows[] = {
    {3, PROTO_VARINT, offsetof(spm_trainer, model)},
    {24, PROTO_VARINT, offsetof(spm_trainer, suffix)},
    {35, PROTO_VARINT, offsetof(spm_trainer, byte_fallback)},
    {40, PROTO_VARINT, offsetof(spm_trainer, unknown)},
    {41, PROTO_VARINT, offsetof(spm_trainer, bos)},
    {42, PROTO_VARINT, offsetof(spm_trainer, eos)},
    {0},
};
static const proto_row normalizer_rows[] = {
    {2, PROTO_BYTES, offsetof(spm_normalizer, charsmap)},
    {3, PROTO_VARINT, offsetof(spm_normalizer, prefix)},
    {4, PROTO_VARINT, offsetof(spm_normalizer, squeeze)},
    {5, PROTO_VARINT, offsetof(spm_normalizer, escape)},
    {0},
};

static status read_piece(spm_model *m, slice message, size_t base, error *e) {
    spm_piece p = {.type = SPM_NORMAL};
    TRY(proto_read(message, base, piece_rows, &p, e));
    if (p.text.n == 0 || p.text.n > ADDED_MAX || utf8_valid(p.text) != p.text.n)
        return fail(e, E_FILE, "piece %zu is not text of 1 to %d bytes", m->n, ADDED_MAX);
    if (!isfinite(p.score)) return fail(e, E_FILE, "piece %zu has a score that is not a number", m->n);
    if (p.type < SPM_NORMAL || p.type >= SPM_TYPES) return fail(e, E_FILE, "piece %zu has type %lld, which is not known", m->n, (long long)p.type);
    if (m->n == VOCAB_MAX) return fail(e, E_FILE, "more than %d pieces", VOCAB_MAX);
    if (m->n == m->room) {
        const size_t room = m->room ? 2 * m->room : 4096;
        spm_piece *pieces = realloc(m->pieces, room * sizeof *pieces);
        if (!pieces) return fail(e, E_MEMORY, "no memory for %zu pieces", room);
        m->pieces = pieces;
        m->room = room;
    }
    m->pieces[m->n++] = p;
    return OK;
}

static status read_part(spm_model *m, const proto_field *f, size_t base, error *e) {
    if (f->number == PIECES) return read_piece(m, f->bytes, base, e);
    if (f->number == TRAINER) return proto_read(f->bytes, base, trainer_rows, &m->trainer, e);
    if (f->number == NORMALIZER) return proto_read(f->bytes, base, normalizer_rows, &m->normalizer, e);
    return f->number == DENORMALIZER ? proto_read(f->bytes, base, normalizer_rows, &m->denormalizer, e) : OK;
}

status spm_read(spm_model *m, slice file, error *e) {
    proto_reader r = {file, file, 0};
    *m = (spm_model){.trainer = {.model = 1, .unknown = 0, .bos = 1, .eos = 2}, .normalizer = {.prefix = 1, .squeeze = 1, .escape = 1}};
    if (file.n > FILE_MAX) return fail(e, E_FILE, "%zu bytes are more than %d", file.n, FILE_MAX);
    while (r.rest.n > 0) {
        proto_field f;
        TRY(proto_next(&r, &f, e));
        if (f.wire == PROTO_BYTES) TRY(read_part(m, &f, file.n - r.rest.n - f.bytes.n, e));
    }
    return m->n ? OK : fail(e, E_FILE, "no pieces");
}

void spm_close(spm_model *m) {
    free(m->pieces);
    *m = (spm_model){0};
}

bool spm_is(slice file) {
    size_t i = 0;
    while (i < file.n && file.p[i] && strchr(" \t\r\n", file.p[i])) i++; /* JSON may begin with the same byte */
    return i > 0 && i < file.n && file.p[0] == (PIECES << 3 | PROTO_BYTES) && file.p[i] != '{';
}
