/* ids.h: token ids on a command line: "1,5,7". */
#ifndef QBIN_TOOLS_IDS_H
#define QBIN_TOOLS_IDS_H

#include "text/tokenizer.h"

/* Appends the ids of a comma-separated list, blanks allowed. E_USAGE names what is not an id. */
status ids_parse(id_list *out, const char *text, error *e);

status ids_append(id_list *list, int32_t id, error *e);

#endif
