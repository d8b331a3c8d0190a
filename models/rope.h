/* rope.h: from the rotary keys of config.json (classic rope_theta and rope_scaling, or rope_parameters) to inverse frequencies. The scaling is resolved
 * here once, so the engine knows none. A kind of scaling that is not in the list of rope.c is refused by name. */
#ifndef QBIN_MODELS_ROPE_H
#define QBIN_MODELS_ROPE_H

#include "base/error.h"
#include "file/spec.h"
#include "models/config.h"

/* Fills rope (half), rope_dims (head_dim), rope_inverse and rope_attention. Needs head_dim and context. The arithmetic is float32 in the order of
 * Hugging Face's modeling_rope_utils.py, so that long positions turn by the same angles as in the reference. */
status rope_configure(spec *s, config *c, error *e);

/* The same where keys have other names or usual values, or only the first part of a head is rotated. */
typedef struct rope_keys {
    const char *theta;
    const char *part;   /* the rotated share of a head; NULL: all of it, and such a key is refused */
    double usual_part;  /* where no key says another */
    double usual_theta; /* likewise; 0 means 10000 */
    const char *local;  /* of rope_configure_two: the base of layers with a window */
    double usual_local;
} rope_keys;
status rope_configure_as(spec *s, config *c, const rope_keys *keys, error *e);

/* Two tables: the first, scaled if the file says so, for layers that see all, and a second for layers with a window. Both stand in rope_parameters under
 * full_attention and sliding_attention, or under their own keys. Needs the windows. */
status rope_configure_two(spec *s, config *c, const rope_keys *keys, error *e);

/* This layer does not rotate. */
status rope_leave_out(spec *s, uint32_t layer, error *e);

#endif
