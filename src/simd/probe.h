/* probe.h: what this machine can do at best, to be measured in the same run as what is compared with it. Each probe is one thread's share; whoever calls
 * it looks at the clock. */
#ifndef QBIN_SIMD_PROBE_H
#define QBIN_SIMD_PROBE_H

#include <stddef.h>
#include <stdint.h>

typedef struct probe {
    const char *isa;         /* the table whose products it bounds */
    double operations;       /* of one call: a multiplication and an addition are two */
    void (*integer)(void);   /* byte dot products on registers */
    double float_operations; /* likewise */
    void (*floating)(void);  /* fused multiply-adds on registers */
} probe;
extern const probe probes[]; /* isa NULL ends it */

/* Reads all of it, by the widest loads that every x86-64 or other CPU has; returns something that depends on it. */
uint64_t probe_read(const uint8_t *p, size_t bytes);

#endif
