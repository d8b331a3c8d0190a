#include "models/quantization.h"

#include <string.h>

#include "base/json.h"
#include "models/config.h"

enum { BLOCK_MAX = 1 << 16 };

const char *const quantization_ignored[] = {"\\.(input_scale|activation_scale|input_global_scale|k_scale|v_scale)$", NULL};

/* Keys that say what was left as it was, which the tensors themselves say, or how to multiply elsewhere. */
static const char *const harmless[] = {"activation_scale_ub",
                                       "activation_scheme",
                                       "dequantize",
                                       "ignore",
                                       "ignored_layers",
                                       "kv_cache_scheme",
                                       "modules_to_not_convert",
                                       "scale_fmt",
                                       "global_compression_ratio",
                                       "quantization_status",
                                       "version",
                                       NULL};

static status read_blocks(scale_blocks *out, const json_t *value, const char *key, error *e) {
    size_t n;
    if (!value) return OK;
    TRY(json_to_array(value, key, 2, &n, e));
    TRY(json_to_uint(json_array_get(value, 0), key, 1, BLOCK_MAX, &out->rows, e));
    return json_to_uint(json_array_get(value, 1), key, 1, BLOCK_MAX, &out->columns, e);
}

static status read_fp8(scale_blocks *out, config *c, error *e) {
    static const char *const formats[] = {"e4m3", "float8_e4m3fn", NULL};
    out->needed = true;
    TRY(config_one_of(c, "fmt", formats, e));
    return read_blocks(out, config_get(c, "weight_block_size"), "weight_block_size", e);
}

static status read_mxfp4(scale_blocks *out, config *c, error *e) {
    (void)out, (void)c, (void)e;
    return OK;
}

/* ---- compressed-tensors: groups of modules; all of them must be 8-bit floats ---- */

static status read_weights(scale_blocks *out, config *c, error *e) {
    static const char *const types[] = {"float", NULL}, *const strategies[] = {"channel", "tensor", "block", NULL};
    static const char *const others[] = {"actorder", "dynamic", "group_size", "observer", "observer_kwargs", "scale_dtype", "zp_dtype", NULL};
    uint32_t bits;
    bool symmetric;
    TRY(config_uint(c, "num_bits", CONFIG_NEEDED, &bits, e));
    TRY(config_bool(c, "symmetric", true, &symmetric, e));
    if (bits != 8 || !symmetric) return fail(e, E_FILE, "weights of %u bits%s cannot be read", bits, symmetric ? "" : ", not symmetric,");
    TRY(config_one_of(c, "type", types, e));
    TRY(config_one_of(c, "strategy", strategies, e));
    TRY(read_blocks(out, config_get(c, "block_structure"), "block_structure", e));
    return config_finish(c, others, e);
}

static status read_group(scale_blocks *out, const json_t *group, error *e) {
    config c;
    TRY(config_open(&c, json_object_get(group, "weights"), "weights", e));
    const status result = read_weights(out, &c, e);
    config_close(&c);
    return result;
}

static status read_compressed(scale_blocks *out, config *c, error *e) {
    static const char *const formats[] = {"float-quantized", NULL}, *const nothing[] = {"sparsity_config", "transform_config", NULL};
    const json_t *groups = config_get(c, "config_groups");
    const char *name;
    json_t *group;
    out->needed = true;
    TRY(config_one_of(c, "format", formats, e));
    for (size_t i = 0; nothing[i]; i++) {
        if (json_object_size(config_get(c, nothing[i]))) return fail(e, E_FILE, "'%s' is not understood", nothing[i]);
    }
    TRY(json_to_object(groups, "config_groups", e));
    json_object_foreach((json_t *)(uintptr_t)groups, name, group) TRY(read_group(out, group, e));
    return OK;
}

/* ---- the methods ---- */

static const struct method_row {
    const char *name;
    status (*read)(scale_blocks *out, config *c, error *e);
} methods[] = {{"fp8", read_fp8}, {"fbgemm_fp8", read_fp8}, {"mxfp4", read_mxfp4}, {"compressed-tensors", read_compressed}};

static status read_method(scale_blocks *out, config *c, error *e) {
    const char *name;
    TRY(config_text(c, "quant_method", NULL, &name, e));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) != 0) continue;
        TRY(methods[i].read(out, c, e));
        return config_finish(c, harmless, e);
    }
    return fail(e, E_FILE, "'quant_method' is '%s', which cannot be read: only fp8 and mxfp4", name);
}

status quantization_read(scale_blocks *out, const json_t *object, error *e) {
    config c;
    *out = (scale_blocks){0};
    if (!object || json_is_null(object)) return OK;
    TRY(config_open(&c, object, "quantization_config", e));
    const status result = read_method(out, &c, e);
    config_close(&c);
    return result;
}
