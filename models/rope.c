#include "models/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* One kind of scaling: changes s->rope_inverse[n], which holds the plain frequencies, and may set s->rope_attention. */
typedef struct scaling {
    const char *name;
    status (*apply)(spec *s, config *c, double theta, error *e);
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

static status apply_default(spec *s, config *c, double theta, error *e) {
    (void)s, (void)c, (void)theta, (void)e;
    return OK;
}

static status apply_linear(spec *s, config *c, double theta, error *e) {
    (void)theta;
    double factor;
    TRY(read_factor(c, &factor, e));
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) s->rope_inverse[i] /= (float)factor;
    return OK;
}

/* Llama 3.1: wavelengths above the trained context are stretched, short ones kept, those between blended. */
static status apply_llama3(spec *s, config *c, double theta, error *e) {
    (void)theta;
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

static status apply_yarn(spec *s, config *c, double theta, error *e) {
    double factor, original, fast, slow;
    bool truncate;
    TRY(read_factor(c, &factor, e));
    TRY(read_original(c, s->context, &original, e));
    TRY(number_in(c, "beta_fast", 32, 1e-3, 1e6, &fast, e));
    TRY(number_in(c, "beta_slow", 1, 1e-3, 1e6, &slow, e));
    TRY(config_bool(c, "truncate", true, &truncate, e));
    TRY(read_yarn_attention(s, c, factor, e));
    const double dims = s->rope_dims;
    double low = turning_dimension(dims, fast, theta, original), high = turning_dimension(dims, slow, theta, original);
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

static const scaling scalings[] = {
    {"default", apply_default},
    {"linear", apply_linear},
    {"llama3", apply_llama3},
    {"yarn", apply_yarn},
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

static status apply_object(spec *s, const json_t *object, const char *where, const rope_keys *keys, double theta, error *e) {
    config c;
    const scaling *kind;
    TRY(config_open(&c, object, where, e));
    config_get(&c, "rope_theta"); /* read by the caller, as is the next */
    if (keys->part) config_get(&c, "partial_rotary_factor");
    status result = read_type(&c, &kind, e);
    if (result == OK) result = kind->apply(s, &c, theta, e);
    if (result == OK) result = config_finish(&c, harmless, e);
    config_close(&c);
    return result;
}

/* A file that has both forms must say the same in both. */
static status check_both(const json_t *old, const json_t *new, error *e) {
    const char *key;
    json_t *value;
    if (!old || !new) return OK;
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

status rope_configure_as(spec *s, config *c, const rope_keys *keys, error *e) {
    const json_t *old = config_get(c, "rope_scaling"), *new = config_get(c, "rope_parameters");
    double theta;
    TRY(read_either(c, keys->theta, new, "rope_theta", 10000, 1.0001, 1e15, &theta, e));
    TRY(read_dims(s, c, keys, new, e));
    s->rope = ROPE_HALF;
    s->rope_attention = 1;
    s->rope_inverse = calloc(s->rope_dims / 2 + 1, sizeof *s->rope_inverse);
    if (!s->rope_inverse) return fail(e, E_MEMORY, "no memory");
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) {
        s->rope_inverse[i] = 1.0f / powf((float)theta, (float)(2 * i) / (float)s->rope_dims);
    }
    TRY(check_both(old, new, e));
    if (!old && !new) return OK;
    return new ? apply_object(s, new, "rope_parameters", keys, theta, e) : apply_object(s, old, "rope_scaling", keys, theta, e);
}

status rope_configure(spec *s, config *c, error *e) {
    return rope_configure_as(s, c, &(rope_keys){.theta = "rope_theta"}, e);
}
