/* bert.h: what BERT does to text before it is split, and the letters it takes for ends of words. */
#ifndef QBIN_TEXT_BERT_H
#define QBIN_TEXT_BERT_H

#include "text/stage.h"

extern const stage_kind kind_bert, kind_strip_accents;
extern const stage_kind kind_bert_splitter, kind_whitespace_split, kind_whitespace, kind_punctuation, kind_delimiter; /* kinds.c */

/* Appends the text in small letters, each character alone. */
status lower_text(buffer *out, slice text, error *e);

#endif
