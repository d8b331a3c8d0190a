#include "tools/stops.h"

#include <string.h>

/* The first stop text in held[n]: where it begins, or n. */
static size_t find(stops *s, const char *held, size_t n) {
    size_t first = n;
    for (size_t i = 0; i < s->n; i++) {
        const size_t length = strlen(s->texts[i]);
        const char *at = length ? memmem(held, n, s->texts[i], length) : NULL;
        if (!at || (size_t)(at - held) >= first) continue;
        first = (size_t)(at - held);
        s->which = i;
    }
    return first;
}

/* Can text[n] go on to be a stop text? */
static bool begins_one(const stops *s, const char *text, size_t n) {
    for (size_t i = 0; i < s->n; i++) {
        if (n < strlen(s->texts[i]) && !memcmp(text, s->texts[i], n)) return true;
    }
    return false;
}

status stops_feed(stops *s, const char *text, size_t n, const char **out, size_t *bytes, error *e) {
    *out = "";
    *bytes = 0;
    if (s->found) return OK;
    if (s->done) memmove(s->held.p, s->held.p + s->done, s->held.n - s->done);
    s->held.n -= s->done;
    s->done = 0;
    TRY(buffer_add(&s->held, text, n, e));
    if (!s->held.n) return OK;
    const char *held = (const char *)s->held.p;
    s->done = find(s, held, s->held.n);
    s->found = s->done < s->held.n;
    for (size_t i = 0; !s->found && i < s->held.n; i++) {
        if (!begins_one(s, held + i, s->held.n - i)) continue;
        s->done = i;
        break;
    }
    *out = held;
    *bytes = s->done;
    return OK;
}

void stops_behind(const stops *s, const char **out, size_t *bytes) {
    const size_t end = s->found ? s->done + strlen(s->texts[s->which]) : s->held.n;
    *out = end < s->held.n ? (const char *)s->held.p + end : "";
    *bytes = s->held.n - end;
}

void stops_finish(stops *s, const char **out, size_t *bytes) {
    const bool some = !s->found && s->done < s->held.n;
    *out = some ? (const char *)s->held.p + s->done : "";
    *bytes = some ? s->held.n - s->done : 0;
    s->done = s->held.n;
}

void stops_reset(stops *s) {
    s->held.n = s->done = 0;
    s->found = false;
}

void stops_free(stops *s) {
    buffer_free(&s->held);
}
