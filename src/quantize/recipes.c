/* The recipes that are known by name, in the syntax of a recipe file. */
#include "quantize/recipe.h"

const builtin_recipe builtin_recipes[] = {
    {"q4-mix", "4 bits and a little more where it matters",
     "*                           q4-b32\n"
     "embed                       q8\n"
     "head                        q8\n"
     "layers[first 1/8, last 1/8].down  q8-b32\n"
     "layers[first 1/8, last 1/8].v  q8-b32\n"},
    {NULL, NULL, NULL},
};
