/* inspect_recipe.h: the formats of a .qbin as a recipe file (quantize/recipe.h) that gives each of its matrices the same format again. Made from the tensor
 * table, so that it is true whatever the metadata say. */
#ifndef QBIN_TOOLS_INSPECT_RECIPE_H
#define QBIN_TOOLS_INSPECT_RECIPE_H

#include <stdio.h>

#include "file/qbin.h"

/* Prints comments that say how the file was made, then the rules: the format of most matrices, then what differs, layers by number. */
status print_recipe(FILE *out, const qbin *q, error *e);

#endif
