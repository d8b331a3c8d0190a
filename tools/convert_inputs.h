/* convert_inputs.h: the files of a model folder that are not weights, and what of them goes into the metadata of a .qbin. The folder's config.json belongs to
 * models/, the weights to file/. */
#ifndef QBIN_TOOLS_CONVERT_INPUTS_H
#define QBIN_TOOLS_CONVERT_INPUTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/map.h"

typedef struct inputs {
    char *folder;                                                       /* owned; where the files were looked for */
    char *config_path;                                                  /* owned */
    map config, generation, tokenizer, tokenizer_config, template_file; /* data NULL: not there; tokenizer: .json, or else .model */
    map special_tokens, added_tokens;                                   /* looked for if there is no tokenizer.json */
    bool made;                                                          /* they are no files, but were made of one that holds all */
} inputs;

/* Finds and maps the files beside `model`, a .safetensors file or a folder. E_FILE if config.json is missing. inputs_close takes {0} and what a failed open
 * left. */
status inputs_open(inputs *in, const char *model, error *e);
void inputs_close(inputs *in);

/* The same without files beside `model`: the caller makes their maps. */
status inputs_open_made(inputs *in, const char *model, error *e);

/* config.json, and generation_config.json or NULL: new references. */
status inputs_config(const inputs *in, json_t **config, json_t **generation, error *e);

/* FOLDER/NAME, owned by the caller; NULL without memory. */
char *inputs_path(const inputs *in, const char *name);

/* The keys of generation_config.json that a run understands, checked (new reference; an empty object without that file). E_FILE names a bad value. */
status inputs_generation(const inputs *in, json_t **out, error *e);

/* Templates of chats and the texts of special tokens, as keys of the metadata (convert_chat.h; new reference). Says on stderr, unless quiet, that a template
 * cannot be run: weights are of use without it. */
status inputs_chat(const inputs *in, bool quiet, json_t **out, error *e);

/* {"file": base name, "bytes": n, "xxh3": 16 hexadecimal digits}, new reference; `hash` false writes zeros in the same number of bytes. Reads the whole map and
 * gives its pages back. */
json_t *inputs_describe(const map *m, bool hash);

#endif
