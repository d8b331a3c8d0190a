/* shards.h: which files make up a checkpoint. Owns model.safetensors.index.json: names that would leave the folder are refused. */
#ifndef QBIN_FILE_SHARDS_H
#define QBIN_FILE_SHARDS_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "file/safetensors.h"

typedef struct shards {
    char **paths; /* owned, in the order of their names */
    size_t n;
    char *index_path; /* owned; NULL for a single file */
    json_t *index;    /* owned: the weight_map, tensor name -> file name; NULL for a single file */
} shards;

/* `path`: a file or a folder, see checkpoint_open. shards_free takes what a failed call left, too. */
status shards_find(shards *s, const char *path, error *e);
void shards_free(shards *s);

/* Is every tensor of the index in the file that the index names? */
status shards_check(const shards *s, const checkpoint *c, error *e);

#endif
