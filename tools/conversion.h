/* conversion.h: from tensors that were found to a .qbin that is written: what convert and requantize have in common. Owns the options that say how, the choice
 * of formats, the plan, the writing and the reports; where tensors and metadata come from is the command's business. */
#ifndef QBIN_TOOLS_CONVERSION_H
#define QBIN_TOOLS_CONVERSION_H

#include <jansson.h>

#include "quantize/pipeline.h"
#include "quantize/recipe.h"
#include "tools/command.h"
#include "tools/conversion_flags.h"

typedef struct conversion conversion;
struct conversion {
    const conversion_flags *set;
    const method *method; /* the one that the options name, or the best that the calibration allows */
    recipe recipe;
    qbin_entry *entries; /* [n] */
    quantize_tensor *todo;
    size_t n, room;
    char *output;          /* owned; filled by the command, as are the next five */
    json_t *meta;          /* owned */
    const uint8_t *tokens; /* borrowed */
    size_t tokens_bytes;
    const map *const *inputs; /* [n_inputs] that may not be overwritten, not even by --force; borrowed */
    size_t n_inputs;
    /* Called when all tensors are written: changes values of the metadata, not their length. May be NULL. */
    void (*complete)(conversion *c, void *owner);
    void *owner;
    size_t meta_bytes; /* filled by the plan, as is the next */
    uint64_t file_bytes;
    double seconds; /* that it took */
    qbin_writer *writer;
};

/* Opens the recipe that the options and `base`, the operand, (NULL: none) ask for. conversion_close takes {0} and what a failed call left. */
status conversion_open(conversion *c, const conversion_flags *set, const char *base, error *e);
void conversion_close(conversion *c);

/* Adds a tensor: a vector, kept in f32, or a matrix in the format that the recipe chooses. `origin` is its name in the checkpoint, `layers` those of the
 * model. */
status conversion_add(conversion *c, const char *name, const char *origin, const reader *from, bool is_vector, uint32_t layers, error *e);

/* Adds a tensor that is taken over as it is. */
status conversion_keep(conversion *c, const tensor *t, const map *file, error *e);

/* Where the tensors of a .qbin that is changed come from. */
typedef struct replacement {
    const qbin *file;
    const selector *only; /* matrices that are not meant are taken over as they are; NULL: all are meant */
    /* Fills the reader of a matrix and its name in the checkpoint; E_FILE if there is none. `only` is asked with that name. */
    status (*find)(void *context, const tensor *t, reader *from, const char **origin, error *e);
    void *context;
} replacement;

/* Adds all tensors of the file: those that are meant and get another format are read again, all others are copied. A matrix keeps the scale of its static
 * activations where its new format has some and there is no calibration; with one it is always read again. E_USAGE if none is meant. */
status conversion_replace(conversion *c, const replacement *r, error *e);

/* Metadata of the file, but for the recipe: the new one, with the old one as "before". New reference. */
json_t *conversion_metadata(const conversion *c, const qbin *file);

/* Matrix i has static activations: its scale, its centre, and where that is not 0 a vector of shifts. E_RUN if its name leaves no room for ".shift". */
status conversion_static(conversion *c, size_t i, float scale, float center, error *e);

/* What is recorded of the recipe: options, rules, the format of each matrix. New reference. */
json_t *conversion_recipe(const conversion *c);

/* With tensors, output, meta and tokens there: prints the plan if that is all that is asked for, else writes the file and reports. */
status conversion_run(conversion *c, error *e);

#endif
