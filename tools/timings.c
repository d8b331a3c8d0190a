#include "tools/timings.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The largest resident size so far: mapped weights, cache and scratch. */
static size_t peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

/* Resident memory of this process alone; 0 if the system does not say. */
static size_t private_bytes(void) {
    FILE *f = fopen("/proc/self/status", "re");
    if (!f) return 0;
    char line[128];
    size_t kilobytes = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "RssAnon: %zu kB", &kilobytes) == 1) break;
    }
    fclose(f);
    return kilobytes * 1024;
}

static double per_second(size_t tokens, double seconds) {
    return seconds > 0 ? (double)tokens / seconds : 0;
}

static void print_json(const timings *t) {
    fprintf(stderr,
            "{\"load_ms\": %.3f, \"prompt_tokens\": %zu, \"prompt_ms\": %.3f, \"prompt_tokens_per_second\": %.3f, \"generated_tokens\": %zu, "
            "\"generation_ms\": %.3f, \"generated_tokens_per_second\": %.3f, \"first_token_ms\": %.3f, \"peak_bytes\": %zu, \"private_bytes\": %zu, "
            "\"cache_bytes\": %zu, \"scratch_bytes\": %zu, \"guessed_tokens\": %zu, \"right_tokens\": %zu}\n",
            t->load * 1e3, t->prompt_tokens, t->prompt * 1e3, per_second(t->prompt_tokens, t->prompt), t->generated_tokens, t->generation * 1e3,
            per_second(t->generated_tokens, t->generation), t->first_token * 1e3, peak_bytes(), private_bytes(), t->cache_bytes, t->scratch_bytes,
            t->lookup.guessed, t->lookup.right);
}

static void print_text(const timings *t) {
    const double mb = 1024 * 1024;
    fprintf(stderr, "load       %10.1f ms\n", t->load * 1e3);
    fprintf(stderr, "prompt     %10.1f ms %7zu tokens %10.2f tokens/s", t->prompt * 1e3, t->prompt_tokens, per_second(t->prompt_tokens, t->prompt));
    if (t->first_token > 0) fprintf(stderr, "   first token after %.1f ms", t->first_token * 1e3);
    fprintf(stderr, "\ngeneration %10.1f ms %7zu tokens %10.2f tokens/s\n", t->generation * 1e3, t->generated_tokens,
            per_second(t->generated_tokens, t->generation));
    if (t->lookup.guessed) fprintf(stderr, "lookup     %10zu tokens guessed, %zu of them right\n", t->lookup.guessed, t->lookup.right);
    fprintf(stderr, "memory     %10.1f MB at most, %.1f MB of it private (room for KV cache %.1f MB, scratch %.1f MB)\n", (double)peak_bytes() / mb,
            (double)private_bytes() / mb, (double)t->cache_bytes / mb, (double)t->scratch_bytes / mb);
}

void timings_print(const timings *t, bool json) {
    (json ? print_json : print_text)(t);
}

static void print_turn_json(const turn_timings *t) {
    fprintf(stderr,
            "{\"reused_tokens\": %zu, \"prompt_tokens\": %zu, \"prompt_ms\": %.3f, \"prompt_tokens_per_second\": %.3f, \"generated_tokens\": %zu, "
            "\"generation_ms\": %.3f, \"generated_tokens_per_second\": %.3f, \"first_token_ms\": %.3f, \"position\": %zu, \"context\": %zu, "
            "\"guessed_tokens\": %zu, \"right_tokens\": %zu}\n",
            t->reused_tokens, t->prompt_tokens, t->prompt * 1e3, per_second(t->prompt_tokens, t->prompt), t->generated_tokens, t->generation * 1e3,
            per_second(t->generated_tokens, t->generation), t->first_token * 1e3, t->position, t->context, t->lookup.guessed, t->lookup.right);
}

static void print_turn_text(const turn_timings *t) {
    fprintf(stderr, "[%zu tokens reused, %zu computed in %.1f ms · %zu generated, %.2f tokens/s · context %zu of %zu", t->reused_tokens,
            t->prompt_tokens, t->prompt * 1e3, t->generated_tokens, per_second(t->generated_tokens, t->generation), t->position, t->context);
    if (t->lookup.guessed) fprintf(stderr, " · %zu guessed, %zu of them right", t->lookup.guessed, t->lookup.right);
    fprintf(stderr, "]\n");
}

void timings_print_turn(const turn_timings *t, bool json) {
    (json ? print_turn_json : print_turn_text)(t);
}
