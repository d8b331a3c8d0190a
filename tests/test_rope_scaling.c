#include <criterion/criterion.h>
#include <stdio.h>

#include "plain_config.h"

/* Rotary frequencies: the expected ones are recorded from an independent computation in double precision. */

static void check_rope(const char *changes, uint32_t n, const double *inverse, double attention) {
    spec s = configured(changes);
    cr_assert_eq(s.rope_dims, 2 * n);
    cr_assert_float_eq(s.rope_attention, attention, 1e-7);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_float_eq(s.rope_inverse[i] / inverse[i], 1, 1e-6, "%s: %u: %g, not %g", changes, i, (double)s.rope_inverse[i], inverse[i]);
    spec_free(&s);
}

Test(rope_scaling, plain) {
    const double expected[] = {1, 0.1, 0.01, 0.001};
    check_rope("{\"head_dim\": 8}", 4, expected, 1);
    check_rope("{\"head_dim\": 8, \"rope_theta\": null}", 4, expected, 1);
    check_rope("{\"head_dim\": 8, \"rope_theta\": null, \"rope_parameters\": {\"rope_theta\": 1e4, \"rope_type\": \"default\"}}", 4, expected, 1);
    check_rope("{\"head_dim\": 8, \"rope_scaling\": {\"rope_type\": \"default\"}}", 4, expected, 1);
}

Test(rope_scaling, linear) {
    const double expected[] = {0.25, 0.025, 0.0025, 0.00025};
    check_rope("{\"head_dim\": 8, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}}", 4, expected, 1);
    check_rope(
        "{\"head_dim\": 8, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}, "
        "\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 4.0, \"rope_theta\": 10000.0}}",
        4, expected, 1);
}

Test(rope_scaling, llama3) {
    const double expected[] = {1, 0.0514721425, 0.00470075387, 0.000911583092, 0.000176776695, 3.4281022e-05, 6.64786987e-06, 1.28917317e-06};
    check_rope(
        "{\"head_dim\": 16, \"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
        "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 48}}",
        8, expected, 1);
}

Test(rope_scaling, yarn) {
    const double expected[] = {1,
                               0.527622576,
                               0.263560315,
                               0.119805859,
                               0.0444569853,
                               0.0288695496,
                               0.0187473552,
                               0.0121741881,
                               0.00790569415,
                               0.00513381257,
                               0.00333380358,
                               0.00216491081,
                               0.00140585331,
                               0.000912935318,
                               0.000592843426,
                               0.000384981632};
    const char *const base =
        "{\"head_dim\": 32, \"rope_theta\": 1000, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, "
        "\"original_max_position_embeddings\": 32%s}}";
    const struct {
        const char *more;
        double attention;
    } rows[] = {
        {"", 1.138629436111989},
        {", \"attention_factor\": 1.5", 1.5},
        {", \"mscale\": 1.0, \"mscale_all_dim\": 0.5", 1.138629436111989 / 1.0693147180559945},
        {", \"mscale\": 1.0", 1.138629436111989},
        {", \"beta_fast\": 32, \"beta_slow\": 1, \"truncate\": true, \"finetuned\": true", 1.138629436111989},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char changes[300];
        snprintf(changes, sizeof changes, base, rows[i].more);
        check_rope(changes, 16, expected, rows[i].attention);
    }
}

Test(rope_scaling, yarn_without_truncation) {
    const double expected[] = {1,
                               0.689044306,
                               0.474782055,
                               0.327145872,
                               0.225418,
                               0.155322989,
                               0.107024421,
                               0.0737445682,
                               0.0508132748,
                               0.0317056962,
                               0.0193350011,
                               0.0115920493,
                               0.00679495949,
                               0.00386035932,
                               0.00209379238,
                               0.0010526021,
                               0.000456483919,
                               0.000129318701,
                               3.83088124e-05,
                               2.6396469e-05,
                               1.81883367e-05,
                               1.25325698e-05,
                               8.63549588e-06,
                               5.95023926e-06,
                               4.09997848e-06,
                               2.82506683e-06,
                               1.94659621e-06,
                               1.34129104e-06,
                               9.2420895e-07,
                               6.36820915e-07,
                               4.38797825e-07,
                               3.02351143e-07};
    check_rope(
        "{\"head_dim\": 64, \"rope_theta\": 150000, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 32.0, \"truncate\": false, "
        "\"original_max_position_embeddings\": 4096}}",
        32, expected, 1.3465735902799727);
}
