#include "tools/sampling.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

/* What llama.cpp does when nobody says otherwise. */
static const sampling_flags llama_defaults = {
    .seed = -1, .top_k = 40, .repeat_last = 64, .temperature = 0.8, .top_p = 0.95, .min_p = 0.05, .repeat_penalty = 1};

/* What the reference does with a model that brings settings of its own and leaves one out. */
static const sampling_flags model_defaults = {.seed = -1, .top_k = 50, .repeat_last = 64, .temperature = 1, .top_p = 1, .repeat_penalty = 1};

typedef struct real_key {
    const char *key;
    size_t offset;
} real_key;

static const real_key real_keys[] = {
    {"temperature", offsetof(sampling_flags, temperature)},
    {"top_p", offsetof(sampling_flags, top_p)},
    {"min_p", offsetof(sampling_flags, min_p)},
    {"repetition_penalty", offsetof(sampling_flags, repeat_penalty)},
};

/* The model's own settings count only if it says that it wants to be sampled from. */
static sampling_flags defaults_of(const json_t *generation) {
    const json_t *sample = json_object_get(generation, "do_sample");
    if (!json_is_true(sample)) {
        sampling_flags f = llama_defaults;
        if (json_is_false(sample)) f.temperature = 0;
        return f;
    }
    sampling_flags f = model_defaults;
    for (size_t i = 0; i < sizeof real_keys / sizeof *real_keys; i++) {
        const json_t *value = json_object_get(generation, real_keys[i].key);
        if (json_is_number(value)) *(double *)(void *)((char *)&f + real_keys[i].offset) = json_number_value(value);
    }
    const json_t *top_k = json_object_get(generation, "top_k");
    if (json_is_integer(top_k)) f.top_k = json_integer_value(top_k);
    return f;
}

static uint64_t random_seed(void) {
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = (uint32_t)time(NULL);
    return seed; /* 32 bits: a person can type it again */
}

static double clamp(double x, double low, double high) {
    return x > low ? (x < high ? x : high) : low; /* low for NaN */
}

sampler_options sampling_options(const args *a, size_t offset, const json_t *generation, size_t context) {
    static const size_t integers[] = {offsetof(sampling_flags, seed), offsetof(sampling_flags, top_k), offsetof(sampling_flags, repeat_last)};
    sampling_flags f = defaults_of(generation);
    const char *given = (const char *)a->settings + offset;
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        if (args_given(a, offset + integers[i])) memcpy((char *)&f + integers[i], given + integers[i], sizeof(int64_t));
    }
    for (size_t i = 0; i < sizeof real_keys / sizeof *real_keys; i++) {
        const size_t at = real_keys[i].offset;
        if (args_given(a, offset + at)) memcpy((char *)&f + at, given + at, sizeof(double));
    }
    return (sampler_options){
        .temperature = (float)clamp(f.temperature, 0, 100),
        .top_k = (uint32_t)clamp((double)f.top_k, 0, 1e9),
        .top_p = (float)clamp(f.top_p, 0, 1),
        .min_p = (float)clamp(f.min_p, 0, 1),
        .repeat_penalty = (float)clamp(f.repeat_penalty, 0.01, 100),
        .repeat_last = (uint32_t)clamp((double)(f.repeat_last < 0 ? (int64_t)context : f.repeat_last), 0, 1 << 24),
        .seed = f.seed < 0 ? random_seed() : (uint64_t)f.seed,
    };
}
