/* precompiled.h: the normalizers over a charsmap, and how a record of SentencePiece's own is filled in. */
#ifndef QBIN_TEXT_PRECOMPILED_H
#define QBIN_TEXT_PRECOMPILED_H

#include "text/stage.h"

/* text[0]: the charsmap, or nothing; flags: */
#define SPM_NORMALIZER "(sentencepiece)"
enum {
    SPM_MARK = 1 << 0,       /* a space before the text ... */
    SPM_MARK_FIRST = 1 << 1, /* ... but only where all of it begins, not after added tokens */
    SPM_SUFFIX = 1 << 2,     /* the space stands behind the text instead */
    SPM_SQUEEZE = 1 << 3,    /* spaces in a row are one, and none at the ends */
    SPM_ESCAPE = 1 << 4,     /* a space is U+2581 */
};

extern const stage_kind kind_precompiled, kind_sentencepiece;

#endif
