#include <criterion/criterion.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"

/* A folder that stands for / with the given files in it. */
static char root[64];

static void put(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_root(void) {
    strcpy(root, "/tmp/test_cpu.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(quota, .init = make_root, .fini = remove_root);

Test(quota, none_without_cgroups) {
    cr_assert_eq(cpu_quota(root), 0);
}

Test(quota, v2_is_the_smallest_of_the_group_and_its_parents) {
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    cr_assert_eq(cpu_quota(root), 0);
    put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    cr_assert_eq(cpu_quota(root), 1.5);
    put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    cr_assert_eq(cpu_quota(root), 1.5);
}

Test(quota, v2_in_a_container_is_at_the_root) {
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    cr_assert_eq(cpu_quota(root), 0.5);
}

Test(quota, v1) {
    put("/proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/docker/1234\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(cpu_quota(root), 0);
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(cpu_quota(root), 4);
}

Test(quota, ignores_nonsense) {
    put("/proc/self/cgroup", "nonsense\n0::/\n:\n");
    put("/sys/fs/cgroup/cpu.max", "many few\n");
    cr_assert_eq(cpu_quota(root), 0);
}

Test(threads, at_most_the_affinity_mask_and_says_why) {
    char why[80] = "";
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    const int n = cpu_threads(why, sizeof why);
    cr_assert(n >= 1 && n <= CPU_COUNT(&all));
    cr_assert_neq(why[0], 0);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &all)) cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    cr_assert_eq(cpu_threads(NULL, 0), 1);
}

#if defined(__x86_64__)
Test(features, agree_with_the_compiler_runtime) {
    __builtin_cpu_init();
    const uint32_t f = cpu_features();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    cr_assert_eq(!!(f & CPU_AVX2), !!avx2);
    cr_assert_eq(!!(f & CPU_AVX512), !!avx512);
}

/* The compilers' runtimes do not all know this one. */
Test(features, agree_with_the_kernel) {
    enum { LINE = 1 << 14 };
    static char line[LINE];
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) cr_skip_test("no /proc/cpuinfo");
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) found = strncmp(line, "flags", 5) == 0;
    fclose(f);
    if (!found) cr_skip_test("no flags in /proc/cpuinfo");
    cr_assert_eq(!!(cpu_features() & CPU_AVXVNNI), strstr(line, " avx_vnni ") && cpu_features());
}
#endif
