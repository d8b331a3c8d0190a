#include "evaluate/windows.h"

#include <string.h>

const convention conventions[] = {
    {"half", "the second half of each window, BOS first (llama.cpp)", true, true},
    {"all", "every token of each window but the first (papers)", false, false},
    {0},
};

status windows_plan(windows *w, const convention *how, const int32_t *ids, size_t n, size_t context, size_t wanted, int32_t bos, error *e) {
    *w = (windows){.how = how, .ids = ids, .context = context, .bos = how->with_bos ? bos : -1};
    w->first = how->second_half ? context / 2 : 0;
    if (context < w->first + 2) return fail(e, E_USAGE, "a window of %zu tokens leaves nothing to score", context);
    if (n / 2 < context) return fail(e, E_RUN, "the text has %zu tokens; two windows of %zu need %zu", n, context, 2 * context);
    w->count = n / context;
    if (wanted && wanted < w->count) w->count = wanted;
    return OK;
}

void windows_copy(const windows *w, size_t i, int32_t *out) {
    memcpy(out, w->ids + i * w->context, w->context * sizeof *out);
    if (w->bos >= 0) out[0] = w->bos;
}
