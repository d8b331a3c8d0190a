/* The recipes that are known by name, in the syntax of a recipe file. Made for a calibration, which few bits need. Which matrices get more was measured on two
 * models, by the divergence that three bits cause in one kind of matrix at one depth while all else has eight: per byte, v costs about ten times what
 * gate and up of the middle layers do; k, o, the embedding, and down and up of the first and last layers two to five times. */
#include "quantize/recipe.h"

const builtin_recipe builtin_recipes[] = {
    {"q6-mix", "6 bits, 8 where errors cost most",
     "*                                   q6\n"
     "embed                               q8\n"
     "head                                q8\n"
     "*.k                                 q8\n"
     "*.v                                 q8\n"
     "layers[first 1/8].o                 q8\n"
     "layers[first 1/8, last 1/8].down    q8\n"},
    {"q5-mix", "5 bits, 6 and 8 where errors cost most",
     "*                                   q5\n"
     "embed                               q6\n"
     "head                                q6\n"
     "*.k                                 q6\n"
     "*.v                                 q8\n"
     "layers[first 1/8].o                 q6\n"
     "layers[first 1/8, last 1/8].down    q6\n"
     "layers[first 1/8, last 1/8].up      q6\n"},
    {"q4-mix", "4 bits with learned levels, 5 and 6 where errors cost most",
     "*                                   km4\n"
     "embed                               q5\n"
     "head                                q5\n"
     "*.k                                 q5\n"
     "*.v                                 q6\n"
     "*.o                                 q5\n"
     "layers[first 1/8, last 1/8].down    q6\n"
     "layers[first 1/8, last 1/8].up      q5\n"
     "layers[first 1/8].gate              q5\n"},
    {"q3-mix", "3 bits with learned levels, 4 and 5 where errors cost most",
     "*                                   km3\n"
     "embed                               km4\n"
     "head                                km4\n"
     "*.k                                 km4\n"
     "*.v                                 q5\n"
     "*.o                                 km4\n"
     "layers[first 1/8, last 1/8].down    km4\n"},
    {"q2-mix", "2 bits with learned levels, 3 and 4 where errors cost most; wants a calibration",
     "*                                   km2\n"
     "embed                               km3\n"
     "head                                km3\n"
     "*.q                                 km3\n"
     "*.k                                 km4\n"
     "*.v                                 km4\n"
     "*.o                                 km3\n"
     "layers[first 1/8, last 1/8].down    km4\n"
     "layers[first 1/8, last 1/8].up      km3\n"
     "layers[first 1/8].gate              km3\n"},
    {NULL, NULL, NULL},
};
