/* assemble.c: lays out the block. The same tokenizer.json gives the same bytes. */
#include <stdlib.h>

#include "base/check.h"
#include "text/import.h"

/* Puts a key into its place; false when the run of taken slots is too long. */
static bool put_vocab(vocab_slot *slots, size_t n, uint64_t hash, int32_t id) {
    const size_t begin = hash_slot(hash, n - PROBES_MAX);
    for (size_t i = begin; i < begin + PROBES_MAX; i++) {
        if (slots[i].id >= 0) continue;
        slots[i] = (vocab_slot){(uint32_t)hash, id};
        return true;
    }
    return false;
}

static status build_vocab(const importer *in, const uint32_t *starts, const buffer *bytes, buffer *out, error *e) {
    const size_t n = hash_slots(in->n_ids);
    TRY(buffer_reserve(out, n * sizeof(vocab_slot), e));
    vocab_slot *slots = (vocab_slot *)(void *)out->p;
    out->n = n * sizeof(vocab_slot);
    for (size_t i = 0; i < n; i++) slots[i] = (vocab_slot){0, -1};
    for (size_t id = 0; id < in->n_ids; id++) {
        if (!(in->tokens[id].flags & TOKEN_PRESENT)) continue;
        const slice text = slice_part(buffer_slice(bytes), starts[id], starts[id + 1]);
        if (!put_vocab(slots, n, hash_bytes(text), (int32_t)id)) return fail(e, E_FILE, "the vocabulary cannot be hashed");
    }
    return OK;
}

/* Of equal pairs the last counts. */
static bool put_merge(merge_slot *slots, size_t n, merge_slot m) {
    const size_t begin = hash_slot(hash_pair(m.left, m.right), n - PROBES_MAX);
    for (size_t i = begin; i < begin + PROBES_MAX; i++) {
        if (slots[i].left >= 0 && (slots[i].left != m.left || slots[i].right != m.right)) continue;
        slots[i] = m;
        return true;
    }
    return false;
}

static status build_merges(const importer *in, buffer *out, error *e) {
    const size_t n = hash_slots(in->n_merges);
    TRY(buffer_reserve(out, n * sizeof(merge_slot), e));
    merge_slot *slots = (merge_slot *)(void *)out->p;
    out->n = n * sizeof(merge_slot);
    for (size_t i = 0; i < n; i++) slots[i] = (merge_slot){-1, 0, 0, 0};
    for (size_t i = 0; i < in->n_merges; i++) {
        if (!put_merge(slots, n, in->merges[i])) return fail(e, E_FILE, "the merges cannot be hashed");
    }
    return OK;
}

/* Token texts, as bytes where they are spelled in ByteLevel's alphabet and the model reads bytes. */
static status build_tokens(const importer *in, buffer *starts, buffer *bytes, buffer *flags, error *e) {
    for (size_t id = 0; id <= in->n_ids; id++) {
        if (bytes->n > UINT32_MAX) return fail(e, E_FILE, "the texts of all tokens are longer than 4 GB");
        const uint32_t start = (uint32_t)bytes->n;
        TRY(buffer_add(starts, &start, sizeof start, e));
        if (id == in->n_ids) break;
        const draft_token *token = &in->tokens[id];
        uint16_t f = (uint16_t)token->flags; /* without those of the draft */
        bool spelled = false;
        if (in->flags & BLOCK_BYTES && f & TOKEN_PRESENT) TRY(bytes_of_alphabet(token->content, bytes, &spelled, e));
        if (spelled) f |= TOKEN_MAPPED;
        if (!spelled) TRY(buffer_add(bytes, token->content.p, token->content.n, e));
        TRY(buffer_add(flags, &f, sizeof f, e));
    }
    return OK;
}

static status build_sections(const importer *in, buffer parts[SECTIONS], error *e) {
    TRY(build_tokens(in, &parts[SECTION_STARTS], &parts[SECTION_BYTES], &parts[SECTION_FLAGS], e));
    TRY(build_vocab(in, (const uint32_t *)(const void *)parts[SECTION_STARTS].p, &parts[SECTION_BYTES], &parts[SECTION_VOCAB], e));
    TRY(build_merges(in, &parts[SECTION_MERGES], e));
    TRY(trie_of_added(in, false, &parts[SECTION_RAW], e));
    TRY(trie_of_added(in, true, &parts[SECTION_NORMAL], e));
    for (size_t s = 0; s < SORTS; s++) TRY(buffer_add(&parts[SECTION_STAGES], in->stages[s], in->n_stages[s] * sizeof(stage_record), e));
    TRY(buffer_add(&parts[SECTION_MODEL], in->model.p, in->model.n, e));
    TRY(buffer_add(&parts[SECTION_TEXT], in->text.p, in->text.n, e));
    return buffer_add(&parts[SECTION_TEMPLATE], in->template, in->n_template * sizeof(int32_t), e);
}

static status lay_out(const importer *in, const buffer parts[SECTIONS], uint8_t **block, size_t *size, error *e) {
    block_header h = {.magic = "QBTOKEN",
                      .n_ids = (uint32_t)in->n_ids,
                      .flags = in->flags,
                      .bos = in->bos,
                      .eos = in->eos,
                      .n_normalizers = (uint32_t)in->n_stages[SORT_NORMALIZER],
                      .n_splitters = (uint32_t)in->n_stages[SORT_SPLITTER],
                      .n_decoders = (uint32_t)in->n_stages[SORT_DECODER]};
    memcpy(h.model, in->model_type, sizeof h.model);
    uint64_t at = round_up(sizeof h, 64);
    for (size_t i = 0; i < SECTIONS; i++) {
        h.sections[i] = (section_range){at, parts[i].n};
        at = round_up(at + parts[i].n, 64);
    }
    h.size = at;
    uint8_t *out = aligned_alloc(64, at);
    if (!out) return fail(e, E_MEMORY, "no memory for a tokenizer of %llu bytes", (unsigned long long)at);
    memset(out, 0, at);
    memcpy(out, &h, sizeof h);
    for (size_t i = 0; i < SECTIONS; i++) {
        if (parts[i].n) memcpy(out + h.sections[i].offset, parts[i].p, parts[i].n);
    }
    *block = out;
    *size = at;
    return OK;
}

status importer_assemble(const importer *in, uint8_t **block, size_t *size, error *e) {
    buffer parts[SECTIONS] = {0};
    status s = build_sections(in, parts, e);
    if (s == OK) s = lay_out(in, parts, block, size, e);
    for (size_t i = 0; i < SECTIONS; i++) buffer_free(&parts[i]);
    return s;
}
