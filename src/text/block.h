/* block.h: the compiled tokenizer as it lies in the file, and safe reading of it.
 *
 * A block is a header and its sections, each aligned to 64 bytes. block_view checks the header and the ranges of the sections; it looks at no
 * token, so opening costs nothing per token. What a section says (ids, starts, links of a trie) is checked where it is used: a damaged
 * block gives wrong ids or empty texts, never an access outside it. Numbers are little-endian as in the .qbin. */
#ifndef QBIN_TEXT_BLOCK_H
#define QBIN_TEXT_BLOCK_H

#include <stdint.h>

#include "base/error.h"
#include "text/buffer.h"

enum { STAGES_MAX = 16, VOCAB_MAX = 1 << 22, PROBES_MAX = 128, TYPE_NAME = 24, ADDED_MAX = 4096 /* bytes of an added token */ };

typedef enum section {
    SECTION_STARTS,   /* u32[n_ids + 1]: where the bytes of a token begin */
    SECTION_BYTES,    /* the bytes of all tokens */
    SECTION_FLAGS,    /* u16[n_ids] */
    SECTION_VOCAB,    /* vocab_slot[]: tokens by the hash of their bytes */
    SECTION_MODEL,    /* what the model kind keeps here (bpe.h) */
    SECTION_MERGES,   /* merge_slot[]: merges by the hash of the pair */
    SECTION_RAW,      /* trie_node[]: added tokens that are looked for before normalization */
    SECTION_NORMAL,   /* trie_node[]: added tokens that are looked for after it */
    SECTION_STAGES,   /* stage_record[]: normalizers, pre-tokenizers, decoders */
    SECTION_TEXT,     /* patterns and replacements of the stages */
    SECTION_TEMPLATE, /* i32[]: what the post-processor makes; TEMPLATE_TEXT stands for the ids of the text */
    SECTIONS,
} section;

enum { TEMPLATE_TEXT = -1, TEMPLATE_MAX = 256 };

enum { /* flags of a token */
       TOKEN_PRESENT = 1 << 0,
       TOKEN_ADDED = 1 << 1,
       TOKEN_SPECIAL = 1 << 2,
       TOKEN_SKIPPED = 1 << 3, /* left out when decoding without special tokens */
       TOKEN_MAPPED = 1 << 4,  /* its text is these bytes spelled in the alphabet of ByteLevel; otherwise the bytes are its text */
       TOKEN_WHOLE = 1 << 5,   /* the model makes this one token from its own bytes */
       TOKEN_LSTRIP = 1 << 6,
       TOKEN_RSTRIP = 1 << 7,
       TOKEN_WORD = 1 << 8, /* matches only as a whole word */
};

enum {                         /* flags of the block */
       BLOCK_BYTES = 1 << 0,   /* the model reads bytes (ByteLevel), not characters */
       BLOCK_ADD_BOS = 1 << 1, /* tokenizer_config.json: add_bos_token */
       BLOCK_KNOWN_FLAGS = 3,
};

typedef struct section_range {
    uint64_t offset, bytes;
} section_range;

typedef struct block_header {
    char magic[8];
    uint64_t size;
    char model[TYPE_NAME];
    uint32_t n_ids, flags;
    int32_t bos, eos; /* tokenizer_config.json: bos_token, eos_token; -1 */
    uint32_t n_normalizers, n_splitters, n_decoders, zero;
    section_range sections[SECTIONS];
} block_header;

typedef struct vocab_slot {
    uint32_t tag; /* low half of the hash */
    int32_t id;   /* -1: free */
} vocab_slot;

typedef struct merge_slot {
    int32_t left, right; /* left -1: free */
    uint32_t rank;
    int32_t id;
} merge_slot;

typedef struct trie_node { /* node 0 is the root; children lie together, in the order of their bytes */
    uint32_t first;
    int32_t id; /* -1: no token ends here */
    uint16_t count;
    uint8_t byte, zero;
} trie_node;

typedef struct stage_text {
    uint32_t offset, bytes;
} stage_text;

typedef struct stage_record {
    char type[TYPE_NAME]; /* as in tokenizer.json */
    uint32_t flags;
    uint32_t numbers[3];
    stage_text text[2];
    uint64_t zero;
} stage_record;

typedef struct trie {
    const trie_node *nodes;
    size_t n;
    bool starts[256]; /* bytes that a token begins with */
} trie;

typedef struct block_view {
    const block_header *header;
    const uint8_t *base;
    const uint32_t *starts;
    const uint16_t *flags;
    const vocab_slot *vocab;
    size_t n_ids, n_vocab;
    slice bytes, text;
    const stage_record *stages;
    const int32_t *template;
    size_t n_template;
    trie raw, normal;
} block_view;

/* Checks header and ranges. E_FILE says what is wrong. */
status block_open(block_view *v, const uint8_t *block, size_t size, error *e);
slice block_section(const block_view *v, section s);

/* Bytes of a token, empty for an id that is out of range or has none. */
static inline slice token_bytes(const block_view *v, int32_t id) {
    if (id < 0 || (size_t)id >= v->n_ids) return (slice){0};
    const uint32_t begin = v->starts[id], end = v->starts[id + 1];
    if (begin > end || end > v->bytes.n) return (slice){0};
    return (slice){v->bytes.p + begin, end - begin};
}

static inline unsigned token_flags(const block_view *v, int32_t id) {
    return id < 0 || (size_t)id >= v->n_ids ? 0 : v->flags[id];
}

/* Hashes, and the slot of a table of n at which a search begins. PROBES_MAX slots from there hold the key, or a free slot ends the search. */
uint64_t hash_bytes(slice s);

static inline uint64_t hash_pair(int32_t left, int32_t right) {
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
    return h * 0xbf58476d1ce4e5b9u;
}

static inline size_t hash_slot(uint64_t hash, size_t n) {
    return (size_t)((hash >> 32) * n >> 32);
}

/* Slots of a table for n keys: half of them stay free, and a search that begins at the last still has PROBES_MAX. */
static inline size_t hash_slots(size_t n) {
    return n * 2 + PROBES_MAX;
}

/* Id of the token with these bytes whose TOKEN_MAPPED flag is `mapped`; -1 if none. */
int32_t vocab_find(const block_view *v, slice bytes, unsigned mapped);

/* The longest token at the beginning of text; -1 if none. *length: its bytes. */
int32_t trie_match(const trie *t, slice text, size_t *length);
/* The same for what follows the path to a node of the trie. */
int32_t trie_match_from(const trie *t, const trie_node *node, slice text, size_t *length);
/* The child of a node for a byte; NULL if there is none. */
const trie_node *trie_child(const trie *t, const trie_node *node, uint8_t byte);

#endif
