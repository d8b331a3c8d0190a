/* math.h: exp and what is made of it, on sixteen lanes. Own polynomials (Remez fits); each step is written once, so every instruction set gives the
 * same bits. Refuses nothing: NaN goes through, exp(-inf) is 0 and exp(large) infinite. */
#ifndef QBIN_KERNELS_MATH_H
#define QBIN_KERNELS_MATH_H

#include "lane.h"

/* e^x within 1 ulp. x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts; e^r = 1 + r + r^2 p(r), p fitted to 2^-28. */
FOLD f32x16 exp16(f32x16 x) {
    x = f32_min(f32_set(89.0f), f32_max(f32_set(-105.0f), x));
    const f32x16 shift = f32_set(0x1.8p23f); /* adding it rounds to a whole number */
    const f32x16 n = f32_sub(f32_fma(x, f32_set(0x1.715476p+0f), shift), shift);
    f32x16 r = f32_fma(n, f32_set(-0x1.62e4p-1f), x);
    r = f32_fma(n, f32_set(-0x1.7f7d1cp-20f), r);
    f32x16 p = f32_set(0.0013814598649f);
    p = f32_fma(p, r, f32_set(0.00836871687966f));
    p = f32_fma(p, r, f32_set(0.0416683880453f));
    p = f32_fma(p, r, f32_set(0.166665206317f));
    p = f32_fma(p, r, f32_set(0.499999934478f));
    p = f32_fma(f32_mul(r, r), p, r);
    return f32_times_power(f32_add(p, f32_set(1.0f)), n);
}

/* x / (1 + e^-x) */
FOLD f32x16 silu16(f32x16 x) {
    return f32_div(x, f32_add(f32_set(1.0f), exp16(f32_neg(x))));
}

/* x (1 + erf(x / sqrt 2)) / 2. With z = |x| / sqrt 2 and t = 1 / (1 + 0.3 z): erfc(z) = t q(t) e^(-z^2), q fitted to 2^-25 of its value; the
 * square is exact in two parts, so that the tail keeps its relative precision. For z > 10 the result is x or 0 anyway. */
FOLD f32x16 gelu16(f32x16 x) {
    const f32x16 z = f32_min(f32_set(14.5f), f32_abs(x));
    const f32x16 t = f32_div(f32_set(1.0f), f32_fma(z, f32_set(0.3f * 0.70710678118654752f), f32_set(1.0f)));
    f32x16 q = f32_set(-0.1295227296f);
    q = f32_fma(q, t, f32_set(0.485562363f));
    q = f32_fma(q, t, f32_set(-0.5122763475f));
    q = f32_fma(q, t, f32_set(0.5477180482f));
    q = f32_fma(q, t, f32_set(-0.09464936614f));
    q = f32_fma(q, t, f32_set(0.2149254831f));
    q = f32_fma(q, t, f32_set(0.1483393164f));
    q = f32_fma(q, t, f32_set(0.1707152066f));
    q = f32_fma(q, t, f32_set(0.1691880064f));
    const f32x16 half = f32_mul(z, f32_set(-0.5f));
    const f32x16 square = f32_mul(half, z);
    const f32x16 rest = f32_fma(half, z, f32_neg(square));
    const f32x16 tail = f32_mul(f32_mul(q, t), exp16(square));
    const f32x16 erfc = f32_fma(tail, rest, tail); /* e^(square + rest), rest tiny */
    const f32x16 part = f32_mul(f32_mul(f32_set(0.5f), x), erfc);
    return f32_where_negative(x, part, f32_sub(x, part));
}

/* tanh(x) within 2 ulp: near 0 x + x^3 p(x^2), p fitted to 2^-28 of the value for |x| <= 0.6; else (1 - e^-2|x|) / (1 + e^-2|x|) with x's sign. */
FOLD f32x16 tanh16(f32x16 x) {
    const f32x16 square = f32_mul(x, x), size = f32_abs(x), one = f32_set(1.0f);
    f32x16 p = f32_set(-0.00590585556f);
    p = f32_fma(p, square, f32_set(0.0208053729298f));
    p = f32_fma(p, square, f32_set(-0.0537866799009f));
    p = f32_fma(p, square, f32_set(0.133319581962f));
    p = f32_fma(p, square, f32_set(-0.333332992702f));
    const f32x16 small = f32_fma(f32_mul(p, square), x, x);
    const f32x16 e = exp16(f32_mul(size, f32_set(-2.0f)));
    const f32x16 large = f32_div(f32_sub(one, e), f32_add(one, e));
    return f32_where_negative(f32_sub(size, f32_set(0.6f)), small, f32_where_negative(x, f32_neg(large), large));
}

/* by tanh(x / by): nearly x for small ones, and never more than `by` */
FOLD f32x16 softcap16(f32x16 x, f32x16 by) {
    return f32_mul(by, tanh16(f32_div(x, by)));
}

/* x / (1 + e^(-1.702 x)): the quick form of GELU */
FOLD f32x16 gelu_quick16(f32x16 x) {
    return f32_div(x, f32_add(f32_set(1.0f), exp16(f32_mul(x, f32_set(-1.702f)))));
}

/* x (1 + tanh(u)) / 2 = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
FOLD f32x16 gelu_tanh16(f32x16 x) {
    const f32x16 cubic = f32_fma(f32_mul(x, x), f32_mul(x, f32_set(0.044715f)), x);
    const f32x16 e = exp16(f32_mul(cubic, f32_set(-2.0f * 0.79788456080286536f)));
    return f32_div(x, f32_add(f32_set(1.0f), e));
}

#endif
