/* stage.h: a step of the pipeline: a normalizer, a pre-tokenizer or a decoder. Each kind is one const stage_kind and one line in the list of its sort.
 *
 * Text is pushed through: a pre-tokenizer hands every piece on to the next stage, the last to the model; a decoder hands every piece of text
 * on to the next decoder, the last to the caller. So nothing is collected that need not be, and decoding streams. */
#ifndef QBIN_TEXT_STAGE_H
#define QBIN_TEXT_STAGE_H

#include <jansson.h>

#include "base/error.h"
#include "text/block.h"
#include "text/buffer.h"
#include "text/pattern.h"
#include "text/tokenizer.h"

typedef struct importer importer; /* import.h */
typedef struct encoder encoder;   /* encoder.h */
typedef struct stage stage;

typedef struct piece {
    slice text;
    bool first; /* it begins where the whole text begins */
} piece;

typedef struct stage_kind {
    const char *type;                                                                        /* as in tokenizer.json and in the block */
    const char *const *keys;                                                                 /* options it knows; NULL: not of tokenizer.json */
    bool binary;                                                                             /* text[0] holds bytes, not text */
    status (*import)(importer *in, const json_t *options, stage_record *out, error *e);      /* may empty out->type: nothing to do at run time */
    status (*check)(const stage *s, error *e);                                               /* of a record from a file; may be NULL */
    bool (*searches)(const stage_record *r);                                                 /* does text[0] hold a pattern? NULL: no */
    status (*normalize)(const stage *s, encoder *x, slice *text, buffer *scratch, error *e); /* may write into scratch and point *text there */
    status (*split)(const stage *s, encoder *x, piece p);                                    /* calls encode_piece for each part */
    status (*decode)(const stage *s, decoder *d, slice text, bool end);                      /* a token, or a part of one: `end` is its last */
    status (*finish)(const stage *s, decoder *d);                                            /* no more tokens; NULL: nothing is held back */
} stage_kind;

struct stage {
    const stage_kind *kind;
    const stage_record *record;
    slice text[2];
    pattern *pattern; /* of text[0], if the kind searches */
    size_t index;     /* in its list */
};

typedef struct stage_list {
    stage items[STAGES_MAX];
    size_t n;
} stage_list;

extern const stage_kind *const normalizer_kinds[]; /* NULL-terminated: the lists */
extern const stage_kind *const splitter_kinds[];
extern const stage_kind *const decoder_kinds[];
extern const stage_kind decoder_join; /* when tokenizer.json has no decoder */

/* The kind of that type in a list, or NULL. */
const stage_kind *stage_find(const stage_kind *const *kinds, const char *type);

/* Binds n records (borrowed) to their kinds; texts lie in `text`. E_FILE names a type that is not known. `sort` is for messages. */
status stages_open(stage_list *list, const char *sort, const stage_kind *const *kinds, const stage_record *records, size_t n, slice text, error *e);
void stages_close(stage_list *list);

/* Flags of records whose text[0] is a pattern. */
enum { STAGE_REGEX = 1 << 0 };
bool stage_searches(const stage_record *r); /* for kinds that always do */

/* Appends `text` to out with every match of the stage's pattern replaced by text[1]. *changed: was there one? */
status stage_replace(const stage *s, matcher *m, slice text, buffer *out, bool *changed, error *e);

#endif
