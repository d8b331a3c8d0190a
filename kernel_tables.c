#include "kernels/kernels.h"
extern const kernels kernels_scalar;
extern const kernels kernels_avx2;
extern const kernels kernels_avx512;
const kernels *const kernel_tables[] = {
    &kernels_scalar,
    &kernels_avx2,
    &kernels_avx512,
    NULL,
};
