#include "file/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READERS = 3 };

static const struct layer_row { /* by layer_input */
    const char *name, *readers[READERS];
} layer_rows[LAYER_INPUTS] = {
    [INPUT_ATTN] = {"attn", {"q", "k", "v"}},
    [INPUT_HEADS] = {"heads", {"o"}},
    [INPUT_MLP] = {"mlp", {"gate", "up"}},
    [INPUT_INNER] = {"inner", {"down"}},
};

static bool is_head(const spec *s, size_t index) {
    return index + 1 == input_count(s);
}

size_t input_width(const spec *s, size_t index) {
    const size_t widths[LAYER_INPUTS] = {
        [INPUT_ATTN] = s->hidden,
        [INPUT_HEADS] = (size_t)s->heads * s->head_dim,
        [INPUT_MLP] = s->hidden,
        [INPUT_INNER] = s->intermediate,
    };
    return is_head(s, index) ? s->hidden : widths[index % LAYER_INPUTS];
}

void input_name(const spec *s, size_t index, char name[INPUT_NAME]) {
    if (is_head(s, index)) {
        snprintf(name, INPUT_NAME, "head");
    } else {
        snprintf(name, INPUT_NAME, "layers.%zu.%s", index / LAYER_INPUTS, layer_rows[index % LAYER_INPUTS].name);
    }
}

bool input_of_tensor(const spec *s, const char *tensor, size_t *index) {
    *index = input_count(s) - 1;
    if (strcmp(tensor, "head") == 0) return true;
    if (strcmp(tensor, "embed") == 0) return s->tied;
    unsigned layer;
    int length = 0;
    if (sscanf(tensor, "layers.%u.%n", &layer, &length) != 1 || !length || layer >= s->layers) return false;
    for (size_t i = 0; i < LAYER_INPUTS; i++) {
        for (size_t r = 0; r < READERS && layer_rows[i].readers[r]; r++) {
            if (strcmp(tensor + length, layer_rows[i].readers[r]) != 0) continue;
            *index = input_index(layer, (layer_input)i);
            return true;
        }
    }
    return false;
}
