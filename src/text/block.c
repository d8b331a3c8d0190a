#include "text/block.h"

#include <stdalign.h>
#include <xxhash.h>

#include "base/check.h"

static const struct {
    const char *name;
    size_t item;
} section_kinds[SECTIONS] = {
    [SECTION_STARTS] = {"token starts", sizeof(uint32_t)},
    [SECTION_BYTES] = {"token bytes", 1},
    [SECTION_FLAGS] = {"token flags", sizeof(uint16_t)},
    [SECTION_VOCAB] = {"vocabulary", sizeof(vocab_slot)},
    [SECTION_MODEL] = {"model", 1},
    [SECTION_MERGES] = {"merges", sizeof(merge_slot)},
    [SECTION_RAW] = {"added tokens", sizeof(trie_node)},
    [SECTION_NORMAL] = {"normalized added tokens", sizeof(trie_node)},
    [SECTION_STAGES] = {"pipeline", sizeof(stage_record)},
    [SECTION_TEXT] = {"pipeline text", 1},
    [SECTION_TEMPLATE] = {"post-processor", sizeof(int32_t)},
};

slice block_section(const block_view *v, section s) {
    const section_range r = v->header->sections[s];
    return (slice){v->base + r.offset, r.bytes};
}

static status check_sections(const block_header *h, size_t size, error *e) {
    for (size_t i = 0; i < SECTIONS; i++) {
        const section_range r = h->sections[i];
        if (r.offset % 64 || r.offset < sizeof *h || !size_inside(r.offset, r.bytes, size) || r.bytes % section_kinds[i].item) {
            return fail(e, E_FILE, "tokenizer: section \"%s\" at %llu with %llu bytes does not fit into %zu", section_kinds[i].name,
                        (unsigned long long)r.offset, (unsigned long long)r.bytes, size);
        }
    }
    return OK;
}

static status check_counts(const block_header *h, error *e) {
    const uint64_t stages = (uint64_t)h->n_normalizers + h->n_splitters + h->n_decoders;
    if (h->n_normalizers > STAGES_MAX || h->n_splitters > STAGES_MAX || h->n_decoders > STAGES_MAX ||
        h->sections[SECTION_STAGES].bytes != stages * sizeof(stage_record)) {
        return fail(e, E_FILE, "tokenizer: %llu pipeline stages do not fit their section", (unsigned long long)stages);
    }
    if (h->n_ids > VOCAB_MAX || h->sections[SECTION_STARTS].bytes != ((uint64_t)h->n_ids + 1) * sizeof(uint32_t) ||
        h->sections[SECTION_FLAGS].bytes != (uint64_t)h->n_ids * sizeof(uint16_t)) {
        return fail(e, E_FILE, "tokenizer: %u tokens do not fit their sections", h->n_ids);
    }
    if (h->flags & ~(uint32_t)BLOCK_KNOWN_FLAGS) return fail(e, E_FILE, "tokenizer: unknown feature flags %#x", h->flags);
    const uint64_t n_template = h->sections[SECTION_TEMPLATE].bytes / sizeof(int32_t);
    if (n_template == 0 || n_template > TEMPLATE_MAX)
        return fail(e, E_FILE, "tokenizer: post-processor of %llu parts", (unsigned long long)n_template);
    return OK;
}

static status check_ids(const block_view *v, error *e) {
    const int32_t n = (int32_t)v->n_ids;
    for (size_t i = 0; i < v->n_template; i++) {
        if (v->template[i] < TEMPLATE_TEXT || v->template[i] >= n)
            return fail(e, E_FILE, "tokenizer: post-processor adds id %d of %d", v->template[i], n);
    }
    if (v->header->bos < -1 || v->header->bos >= n || v->header->eos < -1 || v->header->eos >= n) {
        return fail(e, E_FILE, "tokenizer: bos %d or eos %d is not below %d", v->header->bos, v->header->eos, n);
    }
    return OK;
}

static trie trie_view(const block_view *v, section s) {
    const slice nodes = block_section(v, s);
    trie t = {.nodes = (const trie_node *)(const void *)nodes.p, .n = nodes.n / sizeof(trie_node)};
    for (size_t i = 0; t.n && i < t.nodes[0].count && i + t.nodes[0].first < t.n && i < 256; i++) t.starts[t.nodes[t.nodes[0].first + i].byte] = true;
    return t;
}

status block_open(block_view *v, const uint8_t *block, size_t size, error *e) {
    *v = (block_view){.base = block, .header = (const block_header *)(const void *)block};
    const block_header *h = v->header;
    if ((uintptr_t)block % alignof(max_align_t)) return fail(e, E_RUN, "tokenizer: the block is not aligned");
    if (size < sizeof *h || memcmp(h->magic, "QBTOKEN", 8) != 0) return fail(e, E_FILE, "tokenizer: not a compiled tokenizer");
    if (h->size != size) return fail(e, E_FILE, "tokenizer: %zu bytes of %llu", size, (unsigned long long)h->size);
    TRY(check_sections(h, size, e));
    TRY(check_counts(h, e));
    v->n_ids = h->n_ids;
    v->starts = (const uint32_t *)(const void *)block_section(v, SECTION_STARTS).p;
    v->flags = (const uint16_t *)(const void *)block_section(v, SECTION_FLAGS).p;
    v->bytes = block_section(v, SECTION_BYTES);
    v->text = block_section(v, SECTION_TEXT);
    v->stages = (const stage_record *)(const void *)block_section(v, SECTION_STAGES).p;
    const slice vocab = block_section(v, SECTION_VOCAB), template = block_section(v, SECTION_TEMPLATE);
    v->vocab = (const vocab_slot *)(const void *)vocab.p;
    v->n_vocab = vocab.n / sizeof(vocab_slot);
    v->template = (const int32_t *)(const void *)template.p;
    v->n_template = template.n / sizeof(int32_t);
    v->raw = trie_view(v, SECTION_RAW);
    v->normal = trie_view(v, SECTION_NORMAL);
    return check_ids(v, e);
}

uint64_t hash_bytes(slice s) {
    return XXH3_64bits(s.n ? s.p : (const uint8_t *)"", s.n);
}

int32_t vocab_find(const block_view *v, slice bytes, unsigned mapped) {
    const uint64_t hash = hash_bytes(bytes);
    const size_t begin = hash_slot(hash, v->n_vocab > PROBES_MAX ? v->n_vocab - PROBES_MAX : 0);
    for (size_t i = begin; i < v->n_vocab && i < begin + PROBES_MAX; i++) {
        const vocab_slot slot = v->vocab[i];
        if (slot.id < 0) return -1;
        if (slot.tag != (uint32_t)hash || (token_flags(v, slot.id) & TOKEN_MAPPED) != mapped) continue;
        if (slice_same(token_bytes(v, slot.id), bytes) && (size_t)slot.id < v->n_ids) return slot.id;
    }
    return -1;
}

const trie_node *trie_child(const trie *t, const trie_node *node, uint8_t byte) {
    if (node->first >= t->n || node->count > t->n - node->first) return NULL;
    const trie_node *children = t->nodes + node->first;
    size_t low = 0, high = node->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (children[middle].byte < byte) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < node->count && children[low].byte == byte ? children + low : NULL;
}

int32_t trie_match(const trie *t, slice text, size_t *length) {
    return t->n ? trie_match_from(t, t->nodes, text, length) : -1;
}

int32_t trie_match_from(const trie *t, const trie_node *node, slice text, size_t *length) {
    int32_t id = -1;
    const size_t depth = text.n < ADDED_MAX ? text.n : ADDED_MAX;
    for (size_t i = 0; i < depth; i++) {
        node = trie_child(t, node, text.p[i]);
        if (!node) break;
        if (node->id >= 0) {
            id = node->id;
            *length = i + 1;
        }
    }
    return id;
}
