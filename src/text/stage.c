#include "text/stage.h"

#include "text/unicode.h"

/* A few Replace stages can make gigabytes of a word. */
enum { REPLACED_MAX = 1 << 29 };

const stage_kind *stage_find(const stage_kind *const *kinds, const char *type) {
    while (*kinds && strcmp((*kinds)->type, type) != 0) kinds++;
    return *kinds;
}

bool stage_searches(const stage_record *r) {
    (void)r;
    return true;
}

static status bind_text(stage *s, slice text, error *e) {
    for (size_t i = 0; i < 2; i++) {
        const stage_text t = s->record->text[i];
        if (t.offset > text.n || t.bytes > text.n - t.offset) return fail(e, E_FILE, "tokenizer: text of %s lies outside the block", s->kind->type);
        s->text[i] = slice_part(text, t.offset, (size_t)t.offset + t.bytes);
        if (!(i == 0 && s->kind->binary) && utf8_valid(s->text[i]) != s->text[i].n)
            return fail(e, E_FILE, "tokenizer: text of %s is not UTF-8", s->kind->type);
    }
    return OK;
}

static status stage_open(stage *s, const char *sort, const stage_kind *const *kinds, const stage_record *record, slice text, error *e) {
    char type[TYPE_NAME + 1] = "";
    memcpy(type, record->type, TYPE_NAME);
    s->record = record;
    s->kind = stage_find(kinds, type);
    if (!s->kind) return fail(e, E_FILE, "tokenizer: %s \"%s\" is not supported", sort, type);
    TRY(bind_text(s, text, e));
    if (s->kind->searches && s->kind->searches(record)) TRY(pattern_open(&s->pattern, s->text[0], record->flags & STAGE_REGEX, e));
    return s->kind->check ? s->kind->check(s, e) : OK;
}

status stages_open(stage_list *list, const char *sort, const stage_kind *const *kinds, const stage_record *records, size_t n, slice text, error *e) {
    *list = (stage_list){0};
    if (n > STAGES_MAX) return fail(e, E_FILE, "tokenizer: %zu stages of sort %s are more than %d", n, sort, STAGES_MAX);
    for (size_t i = 0; i < n; i++) {
        list->items[i].index = i;
        list->n = i + 1;
        const status s = stage_open(&list->items[i], sort, kinds, &records[i], text, e);
        if (s != OK) {
            stages_close(list);
            return s;
        }
    }
    return OK;
}

void stages_close(stage_list *list) {
    for (size_t i = 0; i < list->n; i++) pattern_close(&list->items[i].pattern);
    *list = (stage_list){0};
}

status stage_replace(const stage *s, matcher *m, slice text, buffer *out, bool *changed, error *e) {
    pattern_walk walk = PATTERN_WALK;
    size_t done = 0;
    *changed = false;
    for (;;) {
        span found;
        TRY(pattern_next(s->pattern, m, text, &walk, &found, e));
        if (found.begin == SIZE_MAX) break;
        *changed = true;
        if (out->n > REPLACED_MAX) return fail(e, E_RUN, "replacing \"%.*s\" makes a text longer than %d bytes", QUOTED(s->text[0]), REPLACED_MAX);
        TRY(buffer_add(out, text.p + done, found.begin - done, e));
        TRY(buffer_add(out, s->text[1].p, s->text[1].n, e));
        done = found.end;
    }
    return *changed ? buffer_add(out, text.p + done, text.n - done, e) : OK;
}
