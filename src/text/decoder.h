/* decoder.h: the run of one decoding. Owns what the decoders hold back: bytes of an unfinished character, parts of a token. */
#ifndef QBIN_TEXT_DECODER_H
#define QBIN_TEXT_DECODER_H

#include "text/stage.h"

typedef struct decoder_state { /* of one stage; what the fields mean is the stage's affair */
    buffer token, out;
    size_t count;
    bool inside;
} decoder_state;

struct decoder {
    const tokenizer *t;
    bool skip_special;
    decoder_state states[STAGES_MAX];
    buffer spelled, text; /* text: what is final and not handed out yet */
    matcher matcher;
    error *e;
};

/* Hands text to decoder `index`, or to the caller after the last. */
status decoder_push(decoder *d, size_t index, slice text, bool end);

#endif
