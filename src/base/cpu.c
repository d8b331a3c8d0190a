#include "base/cpu.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- features ---- */

#if defined(__x86_64__)
#include <cpuid.h>

enum { XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 }; /* xmm ymm; and opmask, upper zmm, zmm16-31 */

/* The registers that the operating system saves: without its bit an instruction faults although the CPU has it. */
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t cpu_features(void) {
    uint32_t a, b, c, d, vnni = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    const uint32_t saved = saved_registers();
    const uint32_t one = bit_AVX | bit_FMA | bit_F16C;
    if ((saved & XCR0_AVX) != XCR0_AVX || (c & one) != one) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return 0;
    const uint32_t wide_b = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    const uint32_t wide_c = bit_AVX512VNNI | bit_AVX512VBMI;
    const bool wide = (saved & XCR0_AVX512) == XCR0_AVX512 && (b & wide_b) == wide_b && (c & wide_c) == wide_c;
    if (a >= 1) { /* a: the highest sub-leaf of leaf 7 */
        __cpuid_count(7, 1, a, b, c, d);
        vnni = a & 1u << 4;
    }
    return CPU_AVX2 | (vnni ? CPU_AVXVNNI : 0u) | (wide ? CPU_AVX512 : 0u);
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t cpu_features(void) {
    const unsigned long dot_product = 1ul << 20; /* HWCAP_ASIMDDP */
    return getauxval(AT_HWCAP) & dot_product ? CPU_NEON : 0;
}

#else
uint32_t cpu_features(void) {
    return 0;
}
#endif

/* ---- threads ---- */

enum { PATH_SIZE = 1024, CPUS_MAX = 1 << 16 };

/* The first line of root + path, without its newline; false if there is none. */
static bool read_line(const char *root, const char *path, char *line, size_t size) {
    char full[2 * PATH_SIZE];
    if ((size_t)snprintf(full, sizeof full, "%s%s", root, path) >= sizeof full) return false;
    FILE *f = fopen(full, "re");
    if (!f) return false;
    const bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    if (ok) line[strcspn(line, "\n")] = 0;
    return ok;
}

/* The CPUs that one cgroup folder allows; 0: no limit. */
static double quota_v2(const char *root, const char *folder) {
    char path[PATH_SIZE], line[64];
    double quota, period;
    if ((size_t)snprintf(path, sizeof path, "%s/cpu.max", folder) >= sizeof path || !read_line(root, path, line, sizeof line)) return 0;
    return sscanf(line, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 ? quota / period : 0;
}

static double quota_v1(const char *root, const char *folder) {
    char path[PATH_SIZE], line[64];
    if ((size_t)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= sizeof path || !read_line(root, path, line, sizeof line)) return 0;
    const double quota = atof(line);
    if ((size_t)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= sizeof path || !read_line(root, path, line, sizeof line)) return 0;
    const double period = atof(line);
    return quota > 0 && period > 0 ? quota / period : 0;
}

typedef struct hierarchy {
    const char *controllers; /* second field of /proc/self/cgroup */
    const char *mount;
    double (*quota)(const char *root, const char *folder);
} hierarchy;

static const hierarchy hierarchies[] = {
    {"", "/sys/fs/cgroup", quota_v2},
    {"cpu", "/sys/fs/cgroup/cpu", quota_v1},
    {"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", quota_v1},
    {"cpuacct,cpu", "/sys/fs/cgroup/cpuacct,cpu", quota_v1},
};

static double smaller_limit(double a, double b) {
    return a > 0 && (b <= 0 || a < b) ? a : b;
}

/* A group is bound by its parents too. In a container the path may be the host's, which is not there: its root still is. */
static double quota_upwards(const char *root, const hierarchy *h, const char *group) {
    char folder[PATH_SIZE];
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", h->mount, group) >= sizeof folder) return 0;
    const size_t top = strlen(h->mount);
    double limit = 0;
    for (;;) {
        limit = smaller_limit(h->quota(root, folder), limit);
        if (strlen(folder) <= top) return limit;
        char *slash = strrchr(folder + top, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

double cpu_quota(const char *root) {
    char path[PATH_SIZE], line[PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= sizeof path) return 0;
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    double limit = 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
            const hierarchy *h = &hierarchies[i];
            if (strcmp(controllers + 1, h->controllers) == 0) limit = smaller_limit(quota_upwards(root, h, group), limit);
        }
    }
    fclose(f);
    return limit;
}

typedef struct cpu_mask {
    cpu_set_t *set;
    size_t bytes;
    int cpus; /* how many `set` has room for */
} cpu_mask;

/* The affinity mask of this process, whatever the number of CPUs of the machine. */
static bool read_mask(cpu_mask *m) {
    for (m->cpus = CPU_SETSIZE; m->cpus <= CPUS_MAX; m->cpus *= 2) {
        m->set = CPU_ALLOC((size_t)m->cpus);
        m->bytes = CPU_ALLOC_SIZE((size_t)m->cpus);
        if (!m->set) return false;
        if (sched_getaffinity(0, m->bytes, m->set) == 0) return true;
        CPU_FREE(m->set);
    }
    return false;
}

/* Is a hyper-thread sibling of `cpu` with a lower number allowed? `list` is like "0,64" or "0-1". */
static bool shares_core(const cpu_mask *m, int cpu, const char *list) {
    while (*list) {
        char *end;
        const long first = strtol(list, &end, 10);
        if (end == list) return false;
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first; i <= last && i < cpu; i++) {
            if (i >= 0 && CPU_ISSET_S((size_t)i, m->bytes, m->set)) return true;
        }
        list = *end == ',' ? end + 1 : "";
    }
    return false;
}

static int physical_cores(const char *root, const cpu_mask *m) {
    int cores = 0;
    for (int cpu = 0; cpu < m->cpus; cpu++) {
        char path[128], list[256];
        if (!CPU_ISSET_S((size_t)cpu, m->bytes, m->set)) continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        cores += !read_line(root, path, list, sizeof list) || !shares_core(m, cpu, list);
    }
    return cores;
}

int cpu_threads(char *why, size_t size) {
    cpu_mask m;
    if (!read_mask(&m)) {
        if (why) snprintf(why, size, "the affinity mask cannot be read");
        return 1;
    }
    const int allowed = CPU_COUNT_S(m.bytes, m.set), cores = physical_cores("", &m);
    const double quota = cpu_quota("");
    CPU_FREE(m.set);
    if (quota > 0 && quota < cores) {
        if (why) snprintf(why, size, "the cgroup allows %.1f CPUs", quota);
        return quota < 1 ? 1 : (int)quota;
    }
    if (why && cores < allowed) snprintf(why, size, "%d physical cores of %d allowed CPUs", cores, allowed);
    if (why && cores == allowed) snprintf(why, size, "%d allowed CPUs", allowed);
    return cores < 1 ? 1 : cores;
}

int cpu_allowed(void) {
    cpu_mask m;
    if (!read_mask(&m)) return 1;
    const int allowed = CPU_COUNT_S(m.bytes, m.set);
    const double quota = cpu_quota("");
    CPU_FREE(m.set);
    return quota > 0 && quota < allowed ? (int)ceil(quota) : allowed;
}
