/* cpu.h: what the CPU and the operating system allow. */
#ifndef QBIN_BASE_CPU_H
#define QBIN_BASE_CPU_H

#include <stddef.h>
#include <stdint.h>

/* Feature bits that an instruction set's table asks for; a bit is set only if the operating system saves the registers too. */
enum {
    CPU_AVX2 = 1u << 0,    /* AVX2, FMA, F16C */
    CPU_AVXVNNI = 1u << 1, /* vpdpbusd on 256 bits, VEX */
    CPU_AVX512 = 1u << 2,  /* F BW DQ VL VNNI VBMI */
    CPU_NEON = 1u << 3,    /* AArch64 with dot product */
};
uint32_t cpu_features(void);

/* The default number of threads: affinity mask, then cgroup quota, then physical cores. `why` (may be NULL) says which bound. */
int cpu_threads(char *why, size_t size);

/* The CPUs that affinity mask and cgroup quota allow, hyper-threads and a begun one counted: more threads than that only wait for each other. */
int cpu_allowed(void);

/* The CPUs that the process's cgroup and its parents allow (v1 and v2), 0 if they set no limit. `root` stands before /proc and /sys: "" but in tests. */
double cpu_quota(const char *root);

#endif
