#include "models/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* What a scaling is made from: its own object, the whole config, and the base of the frequencies. */
typedef struct scaling_source {
    config *c, *whole;
    double theta;
} scaling_source;

/* One kind of scaling: changes s->rope_inverse[n], which holds the plain frequencies, and may set s->rope_attention and tables for long texts. */
typedef struct scaling {
    const char *name;
    status (*apply)(spec *s, const scaling_source *from, error *e);
} scaling;

static status number_in(config *c, const char *key, double fallback, double min, double max, double *out, error *e) {
    TRY(config_number(c, key, fallback, out, e));
    return *out >= min && *out <= max ? OK : fail(e, E_FILE, "%s: '%s' is %g, not in %g .. %g", c->where, key, *out, min, max);
}

static status read_factor(config *c, double *factor, error *e) {
    return number_in(c, "factor", NAN, 1, 1e6, factor, e);
}

static status read_original(config *c, double fallback, double *original, error *e) {
    return number_in(c, "original_max_position_embeddings", fallback, 1, 1e9, original, e);
}

static status apply_default(spec *s, const scaling_source *from, error *e) {
    (void)s, (void)from, (void)e;
    return OK;
}

static status apply_linear(spec *s, const scaling_source *from, error *e) {
    double factor;
    TRY(read_factor(from->c, &factor, e));
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) s->rope_inverse[i] /= (float)factor;
    return OK;
}

/* Llama 3.1: wavelengths above the trained context are stretched, short ones kept, those between blended. */
static status apply_llama3(spec *s, const scaling_source *from, error *e) {
    config *c = from->c;
    double factor, low, high, original;
    TRY(read_factor(c, &factor, e));
    TRY(number_in(c, "low_freq_factor", NAN, 1e-3, 1e6, &low, e));
    TRY(number_in(c, "high_freq_factor", NAN, 1e-3, 1e6, &high, e));
    TRY(read_original(c, NAN, &original, e));
    if (high <= low) return fail(e, E_FILE, "%s: 'high_freq_factor' %g is not above 'low_freq_factor' %g", c->where, high, low);
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) {
        const float inverse = s->rope_inverse[i];
        const float wavelength = (float)(2 * M_PI) / inverse;
        const float stretched = inverse / (float)factor;
        if ((double)wavelength > original / low) {
            s->rope_inverse[i] = stretched;
        } else if (!((double)wavelength < original / high)) {
            const float blend = ((float)original / wavelength - (float)low) / (float)(high - low);
            s->rope_inverse[i] = (1.0f - blend) * stretched + blend * inverse;
        }
    }
    return OK;
}

/* The dimension whose wave turns `turns` times within the original context (YaRN, arXiv:2309.00071, section 3.2). */
static double turning_dimension(double dims, double turns, double theta, double original) {
    return dims * log(original / (turns * 2 * M_PI)) / (2 * log(theta));
}

static double yarn_magnitude(double factor, double scale) {
    return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

static status read_yarn_attention(spec *s, config *c, double factor, error *e) {
    double attention, scale, scale_all;
    TRY(number_in(c, "mscale", 0, 0, 1e3, &scale, e));
    TRY(number_in(c, "mscale_all_dim", 0, 0, 1e3, &scale_all, e));
    const bool both = scale != 0 && scale_all != 0;
    const double usual = both ? yarn_magnitude(factor, scale) / yarn_magnitude(factor, scale_all) : yarn_magnitude(factor, 1);
    TRY(number_in(c, "attention_factor", usual, 1e-3, 1e3, &attention, e));
    s->rope_attention = (float)attention;
    return OK;
}

static status apply_yarn(spec *s, const scaling_source *from, error *e) {
    config *c = from->c;
    double factor, original, fast, slow;
    bool truncate;
    TRY(read_factor(c, &factor, e));
    TRY(read_original(c, s->context, &original, e));
    TRY(number_in(c, "beta_fast", 32, 1e-3, 1e6, &fast, e));
    TRY(number_in(c, "beta_slow", 1, 1e-3, 1e6, &slow, e));
    TRY(config_bool(c, "truncate", true, &truncate, e));
    TRY(read_yarn_attention(s, c, factor, e));
    const double dims = s->rope_dims;
    double low = turning_dimension(dims, fast, from->theta, original), high = turning_dimension(dims, slow, from->theta, original);
    low = fmax(truncate ? floor(low) : low, 0);
    high = fmin(truncate ? ceil(high) : high, dims - 1);
    if (low == high) high += 0.001; /* as the reference: no division by zero */
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) {
        const float inverse = s->rope_inverse[i];
        const float stretched = 1.0f / ((float)factor * (1.0f / inverse));
        const float ramp = fminf(fmaxf(((float)i - (float)low) / (float)(high - low), 0), 1);
        const float keep = 1.0f - ramp;
        s->rope_inverse[i] = stretched * (1.0f - keep) + inverse * keep;
    }
    return OK;
}

/* out[i] = 1 / (factors[i] * theta^(2i / dims)), as the reference computes it */
static status read_factors(const spec *s, const scaling_source *from, const char *key, float *out, error *e) {
    const json_t *list = config_get(from->c, key);
    const size_t pairs = s->rope_dims / 2;
    size_t n;
    if (!list) return fail(e, E_FILE, "'%s' is missing in %s", key, from->c->where);
    TRY(json_to_array(list, key, ROPE_DIMS_MAX, &n, e));
    if (n != pairs) return fail(e, E_FILE, "'%s' has %zu factors instead of %zu", key, n, pairs);
    for (size_t i = 0; i < n; i++) {
        double factor;
        TRY(json_to_number(json_array_get(list, i), key, 1e-3, 1e6, &factor, e));
        out[i] = 1.0f / ((float)factor * powf((float)from->theta, (float)(2 * i) / (float)s->rope_dims));
    }
    return OK;
}

/* LongRoPE (arXiv:2402.13753) as Phi-3 has it: one list of factors for texts within the original context, one for longer ones; magnitudes for both. */
static status apply_longrope(spec *s, const scaling_source *from, error *e) {
    double original, attention, said;
    const bool inside = config_has(from->c, "original_max_position_embeddings");
    TRY(number_in(inside ? from->c : from->whole, "original_max_position_embeddings", NAN, 1, 1 << 24, &original, e));
    const double factor = s->context / original, usual = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(original));
    TRY(number_in(from->c, "attention_factor", usual, 1e-3, 1e3, &attention, e));
    TRY(number_in(from->c, "factor", factor, 1e-6, 1e6, &said, e));
    if (fabs(said - factor) > 1e-6 * factor) /* some readers take the one, some the other */
        return fail(e, E_FILE, "%s: 'factor' is %g, but the contexts %u and %g say %g", from->c->where, said, s->context, original, factor);
    s->rope_long = calloc(s->rope_dims / 2 + 1, sizeof *s->rope_long);
    if (!s->rope_long) return fail(e, E_MEMORY, "no memory");
    s->rope_attention = (float)attention;
    s->rope_original = (uint32_t)original;
    TRY(read_factors(s, from, "short_factor", s->rope_inverse, e));
    return read_factors(s, from, "long_factor", s->rope_long, e);
}

static const scaling scalings[] = {
    {"default", apply_default}, {"linear", apply_linear},     {"llama3", apply_llama3},
    {"yarn", apply_yarn},       {"longrope", apply_longrope}, {"su", apply_longrope},
};

static status find_scaling(const scaling **out, const char *name, error *e) {
    char known[128] = "";
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
        *out = &scalings[i];
        if (strcmp(scalings[i].name, name) == 0) return OK;
        strcat(strcat(known, i ? ", " : ""), scalings[i].name);
    }
    return fail(e, E_FILE, "rope_type '%s' is not supported; known: %s", name, known);
}

/* Older files say "type", newer ones "rope_type", some say both. */
static status read_type(config *c, const scaling **out, error *e) {
    const char *type, *old;
    TRY(config_text(c, "type", "", &old, e));
    TRY(config_text(c, "rope_type", *old ? old : "default", &type, e));
    if (*old && strcmp(old, type) != 0) return fail(e, E_FILE, "%s: 'type' is '%s', but 'rope_type' is '%s'", c->where, old, type);
    return find_scaling(out, type, e);
}

/* "original_max_position_embeddings" and the like may stand beside a kind that does not use them; nothing else may. */
static const char *const harmless[] = {"finetuned", "original_max_position_embeddings", NULL};

static status apply_object(spec *s, config *whole, const json_t *object, const char *where, const rope_keys *keys, double theta, error *e) {
    config c;
    const scaling *kind;
    TRY(config_open(&c, object, where, e));
    config_get(&c, "rope_theta"); /* read by the caller, as is the next */
    if (keys->part) config_get(&c, "partial_rotary_factor");
    status result = read_type(&c, &kind, e);
    if (result == OK) result = kind->apply(s, &(scaling_source){&c, whole, theta}, e);
    if (result == OK) result = config_finish(&c, harmless, e);
    config_close(&c);
    return result;
}

/* A file that has both forms must say the same in both. */
static status check_both(const json_t *old, const json_t *new, error *e) {
    const char *key;
    json_t *value;
    if (!old || !new) return OK;
    TRY(json_to_object(old, "rope_scaling", e));
    json_object_foreach((json_t *)(uintptr_t)old, key, value) {
        const json_t *same = json_object_get(new, strcmp(key, "type") == 0 ? "rope_type" : key);
        if (!json_equal(value, same)) return fail(e, E_FILE, "'rope_scaling' and 'rope_parameters' differ in '%s'", key);
    }
    return OK;
}

/* A number that stands under a key of its own, or in rope_parameters, or in both. */
static status read_either(config *c, const char *key, const json_t *parameters, const char *inner_key, double usual, double min, double max,
                          double *out, error *e) {
    const json_t *inner = json_object_get(parameters, inner_key);
    TRY(number_in(c, key, usual, min, max, out, e));
    if (!inner || json_is_null(inner)) return OK;
    const double outer = *out;
    TRY(json_to_number(inner, inner_key, min, max, out, e));
    const bool given = json_is_number(json_object_get(c->object, key));
    return given && outer != *out ? fail(e, E_FILE, "'%s' is %g, but 'rope_parameters' says %g", key, outer, *out) : OK;
}

static status read_dims(spec *s, config *c, const rope_keys *keys, const json_t *parameters, error *e) {
    double part = 1;
    if (keys->part) TRY(read_either(c, keys->part, parameters, "partial_rotary_factor", keys->usual_part, 0, 1, &part, e));
    s->rope_dims = (uint32_t)(s->head_dim * part);
    if (s->rope_dims % 2 == 0 && s->rope_dims <= ROPE_DIMS_MAX) return OK;
    return fail(e, E_FILE, "head_dim %u is odd or above %d, or its rotated part %g is", s->head_dim, ROPE_DIMS_MAX, part);
}

static void fill_table(const spec *s, double theta, float *inverse) {
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) inverse[i] = 1.0f / powf((float)theta, (float)(2 * i) / (float)s->rope_dims);
}

/* The first table: `new` is rope_parameters or the part of it that is meant. */
static status first_table(spec *s, config *c, const rope_keys *keys, const json_t *new, error *e) {
    const json_t *old = config_get(c, "rope_scaling");
    double theta;
    TRY(read_either(c, keys->theta, new, "rope_theta", keys->usual_theta > 0 ? keys->usual_theta : 10000, 1.0001, 1e15, &theta, e));
    TRY(read_dims(s, c, keys, new, e));
    s->rope = ROPE_HALF;
    s->rope_inverse = calloc(s->rope_dims / 2 + 1, sizeof *s->rope_inverse);
    if (!s->rope_inverse) return fail(e, E_MEMORY, "no memory");
    fill_table(s, theta, s->rope_inverse);
    TRY(check_both(old, new, e));
    if (!old && !new) return OK;
    return apply_object(s, c, new ? new : old, new ? "rope_parameters" : "rope_scaling", keys, theta, e);
}

status rope_configure_as(spec *s, config *c, const rope_keys *keys, error *e) {
    return first_table(s, c, keys, config_get(c, "rope_parameters"), e);
}

status rope_configure(spec *s, config *c, error *e) {
    return rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta"}, e);
}

/* ---- two tables ---- */

/* The base of layers with a window; their frequencies are never scaled. */
static status read_local(const json_t *object, double *theta, error *e) {
    config c;
    const scaling *kind;
    TRY(config_open(&c, object, "sliding_attention", e));
    status result = number_in(&c, "rope_theta", NAN, 1.0001, 1e15, theta, e);
    if (result == OK) result = read_type(&c, &kind, e);
    if (result == OK && kind->apply != apply_default) result = fail(e, E_FILE, "sliding_attention: rope_type '%s' is not supported", kind->name);
    if (result == OK) result = config_finish(&c, harmless, e);
    config_close(&c);
    return result;
}

static status read_two(spec *s, config *c, const rope_keys *keys, double *local, error *e) {
    const json_t *both = config_get(c, "rope_parameters"), *full = json_object_get(both, "full_attention");
    TRY(number_in(c, keys->local, keys->usual_local, 1.0001, 1e15, local, e));
    if (!both) return first_table(s, c, keys, NULL, e);
    const json_t *sliding = json_object_get(both, "sliding_attention");
    if (!full || !sliding || json_object_size(both) != 2) {
        return fail(e, E_FILE, "'rope_parameters' has other keys than 'full_attention' and 'sliding_attention', or lacks one");
    }
    TRY(first_table(s, c, keys, full, e));
    return read_local(sliding, local, e);
}

status rope_configure_two(spec *s, config *c, const rope_keys *keys, error *e) {
    double local;
    TRY(read_two(s, c, keys, &local, e));
    if (s->rope_original) return fail(e, E_FILE, "rope_type 'longrope' is not supported beside other frequencies for layers with a window");
    const size_t pairs = s->rope_dims / 2;
    float *tables = realloc(s->rope_inverse, (2 * pairs + 1) * sizeof *tables);
    if (tables) s->rope_inverse = tables;
    s->rope_layer = calloc(s->layers, sizeof *s->rope_layer);
    if (!tables || !s->rope_layer) return fail(e, E_MEMORY, "no memory");
    s->rope_tables = 2;
    fill_table(s, local, tables + pairs);
    for (uint32_t i = 0; i < s->layers; i++) s->rope_layer[i] = s->window[i] ? 1 : 0;
    return OK;
}

status rope_leave_out(spec *s, uint32_t layer, error *e) {
    if (!s->rope_layer) s->rope_layer = calloc(s->layers, sizeof *s->rope_layer);
    if (!s->rope_layer) return fail(e, E_MEMORY, "no memory");
    s->rope_layer[layer] = ROPE_NOT_HERE;
    return OK;
}
