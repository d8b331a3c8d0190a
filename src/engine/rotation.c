#include "engine/rotation.h"

#include <math.h>
#include <stdint.h>

/* Reduction to |r| <= pi/4 in two parts as in fdlibm's e_rem_pio2.c: n * HALF_PI_HIGH is exact for n < 2^20, and the tail adds 53 bits.
 * The kernels' coefficients are those of fdlibm's k_sin.c and k_cos.c (Sun Microsystems, 1993). */
static const double TWO_OVER_PI = 0x1.45f306dc9c883p-1;
static const double HALF_PI_HIGH = 0x1.921fb544p+0;
static const double HALF_PI_LOW = 0x1.0b4611a626331p-34;

/* sin(x + tail) and cos(x + tail) for |x| <= pi/4. */
static double sin_kernel(double x, double tail) {
    const double z = x * x, v = z * x;
    const double r =
        8.33333333332248946124e-03 +
        z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    return x - ((z * (0.5 * tail - v * r) - tail) - v * -1.66666666666666324348e-01);
}

static double cos_kernel(double x, double tail) {
    const double z = x * x;
    const double r = z * (4.16666666666666019037e-02 +
                          z * (-1.38888888888741095749e-03 +
                               z * (2.48015872894767294178e-05 +
                                    z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    const double half = 0.5 * z, w = 1.0 - half;
    return w + (((1.0 - w) - half) + (z * r - x * tail));
}

void sin_cos(double x, double *s, double *c) {
    const double n = rint(x * TWO_OVER_PI);
    const double r = x - n * HALF_PI_HIGH, w = n * HALF_PI_LOW;
    const double y = r - w, tail = (r - y) - w;
    const double sine = sin_kernel(y, tail), cosine = cos_kernel(y, tail);
    const unsigned quadrant = (unsigned)(int64_t)n & 3;
    const double sines[4] = {sine, cosine, -sine, -cosine};
    *s = sines[quadrant];
    *c = sines[(quadrant + 1) & 3];
}

void rotation_table(float *table, const float *inverse, size_t pairs, float by, size_t position) {
    for (size_t i = 0; i < pairs; i++) {
        double s, c;
        const float angle = (float)position * inverse[i];
        sin_cos(angle, &s, &c);
        table[i] = (float)c * by;
        table[pairs + i] = (float)s * by;
    }
}
