#include "families.h"

const family *const families[] = {&family_f32,   &family_f16,    &family_bf16, &family_linear, &family_codebook, &family_ternary,
                                  &family_trits, &family_binary, NULL};

const format_entry format_list[] = {
    {"f32", "32-bit floats"},
    {"f16", "16-bit floats with 5 bits of exponent"},
    {"bf16", "16-bit floats with 8 bits of exponent"},
    {"q8", "8 bits, symmetric, a scale for each 64 weights: nothing lost that can be measured"},
    {"q8-b32", "8 bits, symmetric, a scale for each 32 weights"},
    {"q4", "4 bits, symmetric, a scale for each 64 weights: small and fast"},
    {"q4-b32", "4 bits, symmetric, a scale for each 32 weights"},
    {"q4a", "4 bits with a minimum, scale and minimum for each 64 weights"},
    {"q4a-b32", "4 bits with a minimum, scale and minimum for each 32 weights"},
    {"km4", "4 bits, 16 levels learned for each tensor, a scale for each 64 weights"},
    {"km4-b32", "4 bits, 16 levels learned for each tensor, a scale for each 32 weights"},
    {NULL, NULL},
};
