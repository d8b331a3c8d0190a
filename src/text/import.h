/* import.h: reading tokenizer.json. The importer collects what the kinds find in it (tokens, merges, stages, texts); import.c drives it and assemble.c
 * makes the block. A key or a type that is not known is refused by name: none of them is harmless. */
#ifndef QBIN_TEXT_IMPORT_H
#define QBIN_TEXT_IMPORT_H

#include <jansson.h>

#include "text/block.h"
#include "text/stage.h"

typedef enum stage_sort { SORT_NORMALIZER, SORT_SPLITTER, SORT_DECODER, SORTS } stage_sort;

enum { DRAFT_ASIDE = 1 << 16 }; /* of a draft, above the flags that are stored: no text becomes this token in the model */

typedef struct draft_token {
    slice content; /* borrowed from the JSON or from importer.kept; p NULL: no token has this id */
    unsigned flags;
} draft_token;

typedef struct added_token {
    slice content; /* what it matches */
    int32_t id;
    bool normalized; /* matched after normalization */
    size_t order;
} added_token;

struct importer {
    json_t *root, *config;  /* tokenizer.json, tokenizer_config.json */
    json_t *special, *more; /* special_tokens_map.json, added_tokens.json */
    json_t *ids;            /* content -> id, of the vocabulary and the added tokens; borrowed from root */
    size_t n_vocab;         /* of tokens before the added ones */
    draft_token *tokens;
    size_t n_ids;
    added_token *added; /* in the order of the file */
    size_t n_added;
    merge_slot *merges;
    size_t n_merges;
    stage_record stages[SORTS][STAGES_MAX];
    size_t n_stages[SORTS];
    int32_t template[TEMPLATE_MAX];
    size_t n_template;
    buffer text, model; /* SECTION_TEXT, SECTION_MODEL */
    buffer *kept;       /* normalized contents */
    size_t n_kept;
    char model_type[TYPE_NAME];
    uint32_t flags;
    int32_t bos, eos;
};

/* ---- fields of a JSON object; `what` names it in messages ---- */

status field_text(const json_t *o, const char *what, const char *key, slice *out, error *e);  /* required */
status field_flag(const json_t *o, const char *what, const char *key, bool *value, error *e); /* keeps *value if absent or null */
status field_number(const json_t *o, const char *what, const char *key, int64_t low, int64_t high, int64_t *value, error *e); /* the same */
/* Refuses a key that is not "type" nor in `keys` and is not null. */
status fields_known(const json_t *o, const char *what, const char *const *keys, error *e);
/* The "type" of an object; E_FILE if there is none. */
status field_type(const json_t *o, const char *what, const char **type, error *e);

static inline slice slice_of_json(const json_t *string) {
    return (slice){(const uint8_t *)json_string_value(string), json_string_length(string)};
}

/* ---- for the kinds ---- */

status import_text(importer *in, slice text, stage_text *out, error *e);
/* "pattern": {"String": ...} or {"Regex": ...} to text[0] and STAGE_REGEX. */
status import_pattern(importer *in, const json_t *options, const char *what, stage_record *out, error *e);
/* Replace of normalizers and decoders: pattern and content. */
status import_replace(importer *in, const json_t *options, stage_record *out, error *e);
/* Metaspace of pre-tokenizers and decoders: its letter to text[0]. */
enum { METASPACE_SPLIT = 1 << 1, METASPACE_FIRST = 1 << 2, METASPACE_ALWAYS = 1 << 3, METASPACE_PREPENDS = METASPACE_FIRST | METASPACE_ALWAYS };
status import_metaspace(importer *in, const json_t *options, stage_record *out, error *e);
status check_metaspace(const stage *s, error *e);
/* Parts of models; `what` names one in messages. "vocab": {token: id} to tokens and ids. */
status import_vocab(importer *in, const json_t *model, const char *what, error *e);
/* Makes tokens with ids below n, empty yet, and an empty list of ids. */
status import_list(importer *in, size_t n, error *e);
/* "unk_token": its id; *id stays if there is none. */
status import_unknown(const importer *in, const json_t *model, const char *what, int32_t *id, error *e);
/* Ids of <0x00> ... <0xFF>; -1 where there is none, or for all if they are not wanted. */
void import_fallback(const importer *in, bool wanted, int32_t fallback[256]);
/* The trie of the model's tokens in an empty buffer, and the bytes of the longest. */
status import_vocab_trie(const importer *in, buffer *out, uint32_t *longest, error *e);
/* Id of a token's content; -1. */
int32_t import_id(const importer *in, slice content);
enum { IDS_STEP = 4096 }; /* there is room for n_ids, rounded up to it */
/* Makes room for ids below n. E_FILE if that leaves far more holes than there are tokens. */
status import_ids(importer *in, size_t n, error *e);

/* Post-processors are compiled to a list of ids around the text and leave nothing else. */
typedef struct processor_kind {
    const char *type;
    const char *const *keys;
    status (*import)(importer *in, const json_t *options, error *e);
} processor_kind;
extern const processor_kind *const processor_kinds[];
/* `inner`: it stands in a Sequence. */
status import_processor(importer *in, const json_t *processor, bool inner, error *e);

/* bos and eos, by the names that tokenizer_config.json, or else special_tokens_map.json, gives them; -1. */
void import_special_ids(importer *in);
/* Parts of the import, in this order. */
status import_added(importer *in, error *e);
/* Makes the trie of n tokens, which it sorts, in an empty buffer. Of tokens with the same text, which normalization can bring about, the last wins (in the
 * reference it is chance). */
status trie_build(const added_token **tokens, size_t n, buffer *out, error *e);
/* The trie of the tokens that are matched after normalization, or before it. */
status trie_of_added(const importer *in, bool normalized, buffer *out, error *e);
/* The block of what was collected; the caller frees it. */
status importer_assemble(const importer *in, uint8_t **block, size_t *size, error *e);

/* The text of a token that is spelled in ByteLevel's alphabet as the bytes it stands for; false if a character is not of it (out is as before). */
status bytes_of_alphabet(slice content, buffer *out, bool *spelled, error *e);
/* The other way: appends two bytes at most for each. */
status alphabet_of_bytes(slice bytes, buffer *out, error *e);

#endif
