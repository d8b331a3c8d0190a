#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 48 };

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment distance by rows; only the last two rows and the current one are kept. */
static size_t edits(const char *a, size_t n, const char *b, size_t m) {
    size_t row[3][LONGEST + 1];
    for (size_t j = 0; j <= m; j++) row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = min_size(replaced, min_size(last[j], now[j - 1]) + 1);
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) now[j] = min_size(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

void nearest_offer(nearest *n, const char *known) {
    const size_t typed = strlen(n->word), length = strlen(known);
    if (!typed || typed > LONGEST || length > LONGEST) return;
    const bool begins = typed >= 2 && typed < length && !strncmp(known, n->word, typed);
    const size_t distance = begins ? 1 : edits(n->word, typed, known, length);
    const size_t allowed = typed < 6 ? 1 : typed / 3;
    const bool near = distance <= allowed && distance < min_size(typed, length) + begins;
    const bool longer = length >= 2 && length < typed && !strncasecmp(known, n->word, length);
    if ((near || longer) && (!n->best || distance < n->distance)) {
        n->best = known;
        n->distance = distance;
    }
}
