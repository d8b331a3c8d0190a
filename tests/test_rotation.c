#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/rotation.h"

/* Relative where it matters to a float32 (a zero of sin at 10^6 is known to 2^-68 only), absolute everywhere. */
static bool near(double x, double y) {
    return fabs(x - y) <= 0x1p-53 && fabs(x - y) <= 0x1p-48 * fabs(y);
}

Test(rotation, sine_and_cosine_are_much_better_than_float32) {
    uint64_t state = 1;
    for (int i = 0; i < 2000000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double span = i % 3 == 0 ? 4.0 : i % 3 == 1 ? 10000.0 : 1000000.0;
        const double x = (double)(float)((double)(state >> 11) * 0x1p-53 * span);
        double s, c;
        sin_cos(x, &s, &c);
        cr_assert(near(s, sin(x)) && near(c, cos(x)), "x = %a", x);
    }
}

Test(rotation, exact_values_and_signs) {
    static const double sines[4] = {0, 1, 0, -1};
    double s, c;
    sin_cos(0, &s, &c);
    cr_assert(s == 0 && c == 1);
    for (int quarter = -9; quarter < 10; quarter++) {
        sin_cos(quarter * M_PI_2, &s, &c);
        const int q = ((quarter % 4) + 4) % 4;
        cr_assert_eq(rint(s), sines[q]);
        cr_assert_eq(rint(c), sines[(q + 1) % 4]);
    }
}

Test(rotation, table_is_cosines_then_sines_of_the_rounded_angle) {
    const float inverse[3] = {1.0f, 0.31622776f, 0.001f};
    float table[6];
    rotation_table(table, inverse, 3, 1.5f, 1000);
    for (int i = 0; i < 3; i++) {
        const float angle = 1000.0f * inverse[i];
        cr_assert_eq(table[i], (float)cos((double)angle) * 1.5f);
        cr_assert_eq(table[3 + i], (float)sin((double)angle) * 1.5f);
    }
}
