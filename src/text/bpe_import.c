/* bpe_import.c: the model "BPE" of tokenizer.json: vocabulary, merges, and tables that save work when encoding. */
#include <stdlib.h>

#include "text/bpe.h"
#include "text/import.h"
#include "text/unicode.h"

const char *const bpe_keys[] = {
    "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges", NULL};

/* ["a", "b"], or "a b" in older files. */
static status read_merge(const json_t *merge, size_t rank, slice *left, slice *right, error *e) {
    if (json_is_array(merge) && json_array_size(merge) == 2 && json_is_string(json_array_get(merge, 0)) && json_is_string(json_array_get(merge, 1))) {
        *left = slice_of_json(json_array_get(merge, 0));
        *right = slice_of_json(json_array_get(merge, 1));
        return OK;
    }
    const slice both = json_is_string(merge) ? slice_of_json(merge) : (slice){0};
    const uint8_t *space = both.n ? memchr(both.p, ' ', both.n) : NULL;
    if (!space) return fail(e, E_FILE, "BPE: merge %zu is not a pair", rank);
    const size_t at = (size_t)(space - both.p);
    *left = slice_part(both, 0, at);
    *right = slice_part(both, at + 1, both.n);
    return right->n && memchr(right->p, ' ', right->n) ? fail(e, E_FILE, "BPE: merge %zu is not a pair", rank) : OK;
}

static status import_merge(importer *in, const json_t *json, size_t rank, buffer *joined, error *e) {
    slice left, right;
    TRY(read_merge(json, rank, &left, &right, e));
    joined->n = 0;
    TRY(buffer_add(joined, left.p, left.n, e));
    TRY(buffer_add(joined, right.p, right.n, e));
    TRY(buffer_reserve(joined, 1, e));
    const merge_slot m = {import_id(in, left), import_id(in, right), (uint32_t)rank, import_id(in, buffer_slice(joined))};
    if (m.left < 0 || m.right < 0 || m.id < 0) {
        return fail(e, E_FILE, "BPE: merge %zu of \"%.60s\" and \"%.60s\" needs a token that is not in the vocabulary", rank, (const char *)left.p,
                    (const char *)right.p);
    }
    in->merges[in->n_merges++] = m;
    return OK;
}

static status import_merges(importer *in, const json_t *model, error *e) {
    const json_t *merges = json_object_get(model, "merges");
    if (!json_is_array(merges)) return fail(e, E_FILE, "BPE: \"merges\" is not a list");
    const size_t n = json_array_size(merges);
    if (n >= UINT32_MAX / 4) return fail(e, E_FILE, "BPE: %zu merges are too many", n);
    in->merges = calloc(n + 1, sizeof *in->merges);
    if (!in->merges) return fail(e, E_MEMORY, "no memory for %zu merges", n);
    buffer joined = {0};
    status s = OK;
    size_t rank = 0;
    for (size_t i = 0; s == OK && i < n; i++) {
        const json_t *merge = json_array_get(merges, i);
        if (json_is_string(merge) && strncmp(json_string_value(merge), "#version", 8) == 0) continue;
        s = import_merge(in, merge, rank++, &joined, e);
    }
    buffer_free(&joined);
    return s;
}

static status find_symbols(const importer *in, bpe_tables *b, error *e) {
    buffer spelled = {0};
    status s = OK;
    for (unsigned i = 0; s == OK && i < 256; i++) {
        const uint8_t byte = (uint8_t)i;
        const slice one = {&byte, 1};
        spelled.n = 0;
        s = in->flags & BLOCK_BYTES ? alphabet_of_bytes(one, &spelled, e) : buffer_add(&spelled, &byte, 1, e);
        b->symbols[i] = s == OK && (in->flags & BLOCK_BYTES || i < 0x80) ? import_id(in, buffer_slice(&spelled)) : -1;
    }
    buffer_free(&spelled);
    return s;
}

static bool begins_with_mark(slice text) {
    return text.n >= 3 && memcmp(text.p, "\xe2\x96\x81", 3) == 0;
}

/* May words be told apart before merging, and where not? A token whose text is not what it stands for (a byte, unknown) spoils the view of the
 * byte before; then nothing is cut. */
static void find_cuts(const importer *in, bpe_tables *b) {
    if (in->flags & BLOCK_BYTES || b->flags & BPE_IGNORE_MERGES || import_id(in, slice_of("\xe2\x96\x81")) < 0) return;
    for (size_t i = 0; i < in->n_merges; i++) {
        const slice left = in->tokens[in->merges[i].left].content;
        if (!begins_with_mark(in->tokens[in->merges[i].right].content)) continue;
        if (left.n == 0 || in->merges[i].left == b->unknown) return;
        for (unsigned k = 0; k < 256; k++) {
            if (b->fallback[k] == in->merges[i].left) return;
        }
        const uint8_t last = left.p[left.n - 1];
        b->joined[last >> 3] |= (uint8_t)(1u << (last & 7));
    }
    b->flags |= BPE_CUTS;
}

static status import_options(importer *in, const json_t *model, bpe_tables *b, error *e) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *dropout = json_object_get(model, "dropout");
    bool fuse = false, ignore = false, fallback = false;
    TRY(field_flag(model, "BPE", "fuse_unk", &fuse, e));
    TRY(field_flag(model, "BPE", "ignore_merges", &ignore, e));
    TRY(field_flag(model, "BPE", "byte_fallback", &fallback, e));
    if (json_is_number(dropout) ? json_number_value(dropout) != 0 : dropout && !json_is_null(dropout)) {
        return fail(e, E_FILE, "BPE: \"dropout\" is not supported");
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *affix = json_object_get(model, affixes[i]);
        if (affix && !json_is_null(affix) && json_string_length(affix) != 0) return fail(e, E_FILE, "BPE: \"%s\" is not supported", affixes[i]);
    }
    TRY(import_unknown(in, model, "BPE", &b->unknown, e));
    b->flags = (fuse ? BPE_FUSE_UNKNOWN : 0u) | (ignore ? (uint32_t)BPE_IGNORE_MERGES : 0u) | (fallback ? (uint32_t)BPE_BYTE_FALLBACK : 0u);
    return OK;
}

status bpe_build(importer *in, bpe_tables *b, error *e) {
    import_fallback(in, b->flags & BPE_BYTE_FALLBACK, b->fallback);
    TRY(find_symbols(in, b, e));
    find_cuts(in, b);
    if (in->flags & BLOCK_BYTES && b->flags & BPE_BYTE_FALLBACK) {
        for (unsigned i = 0; i < 256; i++) {
            if (b->symbols[i] < 0) return fail(e, E_FILE, "BPE: byte_fallback behind ByteLevel without all bytes in the vocabulary is not supported");
        }
    }
    return buffer_add(&in->model, b, sizeof *b, e);
}

status bpe_import(importer *in, const json_t *model, error *e) {
    bpe_tables b = {.unknown = -1};
    TRY(import_vocab(in, model, "BPE", e));
    TRY(import_merges(in, model, e));
    TRY(import_options(in, model, &b, e));
    return bpe_build(in, &b, e);
}
