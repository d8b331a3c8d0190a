/* Memory, failures and limits of a rendering, and texts that grow. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "text/jinja_value.h"
#include "text/unicode.h"

enum { CHUNK = 64 << 10 };

struct heap_chunk {
    struct heap_chunk *next;
    size_t size;
};

void *heap_take(heap *h, size_t count, size_t bytes) {
    uint64_t need;
    if (!size_mul(count, bytes, &need) || !size_round(need, 16, &need)) return h->left = 0, NULL;
    if (need == 0) need = 16;
    if ((size_t)(h->end - h->at) < need) {
        const size_t head = round_up(sizeof(struct heap_chunk), 16);
        const size_t size = need < CHUNK / 4 ? CHUNK : (size_t)need + head;
        if (size < need || size > h->left) return h->left = 0, NULL;
        struct heap_chunk *c = malloc(size);
        if (!c) return NULL;
        *c = (struct heap_chunk){h->chunks, size};
        h->chunks = c;
        h->left -= size;
        h->at = (uint8_t *)c + head;
        h->end = (uint8_t *)c + size;
    }
    void *p = h->at;
    h->at += need;
    return p;
}

void heap_close(heap *h) {
    for (struct heap_chunk *c = h->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *h = (heap){0};
}

/* ---- failures and limits ---- */

/* Cuts what was cut inside a character. */
static void cut_text(char *text) {
    const size_t n = strlen(text);
    text[utf8_valid((slice){(const uint8_t *)text, n})] = 0;
}

status run_fail(run *x, const char *type, const char *format, ...) {
    jinja_failure *f = x->why;
    va_list list;
    *f = (jinja_failure){.type = type, .line = x->line};
    va_start(list, format);
    vsnprintf(f->text, sizeof f->text, format, list);
    va_end(list);
    cut_text(f->text);
    fail(x->e, x->code, "line %zu: %s", f->line, f->text);
    for (char *c = x->e ? x->e->text : NULL; c && *c; c++) { /* one line, that does not speak to a terminal */
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    }
    return x->code;
}

status run_spend(run *x, size_t steps) {
    if (x->steps >= steps) {
        x->steps -= steps;
        return OK;
    }
    x->steps = 0;
    return run_fail(x, LIMIT_ERROR, "the template takes too many steps");
}

status run_enter(run *x) {
    if (x->depth) {
        x->depth--;
        return OK;
    }
    return run_fail(x, LIMIT_ERROR, "the template is nested too deeply");
}

void run_leave(run *x) {
    x->depth++;
}

status run_take(run *x, size_t count, size_t bytes, void *out) {
    void *p = heap_take(&x->heap, count, bytes);
    memcpy(out, &p, sizeof p);
    if (p) return run_spend(x, count * bytes / 256);
    if (x->heap.left == 0) return run_fail(x, LIMIT_ERROR, "the template takes too much memory");
    run_fail(x, "MemoryError", "no memory");
    x->code = E_MEMORY;
    return fail(x->e, E_MEMORY, "no memory for a chat template");
}

/* ---- texts that grow ---- */

static status text_reserve(run *x, writer *t, size_t more) {
    if (t == x->page && more > x->output - t->n) return run_fail(x, LIMIT_ERROR, "the template prints too much");
    if (t->room - t->n >= more) return OK;
    const size_t room = t->n + more > 2 * t->room ? t->n + more + 16 : 2 * t->room;
    letter *p;
    TRY(run_take(x, room, sizeof *p, &p));
    if (t->n) memcpy(p, t->p, t->n * sizeof *p);
    t->p = p;
    t->room = room;
    return OK;
}

status text_put(run *x, writer *t, const letter *p, size_t n) {
    if (n == 0) return OK;
    TRY(text_reserve(x, t, n));
    memcpy(t->p + t->n, p, n * sizeof *p);
    t->n += n;
    return run_spend(x, n / 64);
}

status text_put_one(run *x, writer *t, letter c) {
    TRY(text_reserve(x, t, 1));
    t->p[t->n++] = c;
    return OK;
}

status text_put_value(run *x, writer *t, value s) {
    return text_put(x, t, s.text, s.n);
}

status text_put_ascii(run *x, writer *t, const char *ascii, bool data) {
    for (; *ascii; ascii++) TRY(text_put_one(x, t, (letter)(unsigned char)*ascii | (data ? LETTER_DATA : 0)));
    return OK;
}

value text_value(const writer *t) {
    return value_of_letters(t->p, t->n);
}

size_t text_utf8(value s, uint8_t *p) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const uint32_t c = s.text[i] & LETTER_POINT;
        n += utf8_put(p + n, c < 0xd800 || (c > 0xdfff && c <= 0x10ffff) ? c : 0xfffd);
    }
    return n;
}

const char *text_shown(run *x, value s) {
    enum { SHOWN = 200 };
    if (s.n > SHOWN) s.n = SHOWN;
    uint8_t *p = heap_take(&x->heap, s.n * 4 + 1, 1);
    if (!p) return "";
    p[text_utf8(s, p)] = 0;
    return (const char *)p;
}

/* ---- making values ---- */

value value_of_bool(bool truth) {
    return (value){.kind = K_BOOL, .truth = truth};
}

value value_of_int(wide whole, bool data) {
    return (value){.kind = K_INT, .whole = whole, .data = data};
}

value value_of_real(double real, bool data) {
    return (value){.kind = K_FLOAT, .real = real, .data = data};
}

value value_of_none(void) {
    return (value){.kind = K_NONE};
}

value value_of_letters(const letter *p, size_t n) {
    return (value){.kind = K_STR, .text = p, .n = n};
}

value value_of_items(value_kind kind, const value *items, size_t n, bool data) {
    return (value){.kind = kind, .items = items, .n = n, .data = data};
}

status value_of_ascii(run *x, const char *ascii, value *out) {
    writer t = {0};
    TRY(text_put_ascii(x, &t, ascii, false));
    *out = text_value(&t);
    return OK;
}

status value_of_utf8(run *x, const char *p, size_t n, bool data, value *out) {
    letter *s;
    size_t letters = 0;
    for (size_t i = 0; i < n; i++) letters += ((uint8_t)p[i] & 0xc0) != 0x80;
    TRY(run_take(x, letters, sizeof *s, &s));
    size_t at = 0;
    for (size_t i = 0; i < n && at < letters; i += utf8_length((uint8_t)p[i])) s[at++] = utf8_get((const uint8_t *)p + i) | (data ? LETTER_DATA : 0);
    *out = value_of_letters(s, at);
    return OK;
}

status value_iterator(run *x, const value *items, size_t n, bool data, value *out) {
    value *rest; /* a list that becomes empty */
    TRY(run_take(x, 1, sizeof *rest, &rest));
    *rest = value_of_items(K_LIST, items, n, data);
    *out = (value){.kind = K_ITERATOR, .object = rest, .data = data};
    return OK;
}

status value_undefined(run *x, value *out, const char *format, ...) {
    char said[400];
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(said, sizeof said, format, list);
    va_end(list);
    const size_t bytes = n < 0 ? 0 : (size_t)n < sizeof said ? (size_t)n : sizeof said - 1;
    char *why;
    TRY(run_take(x, bytes + 1, 1, &why));
    memcpy(why, said, bytes);
    why[bytes] = 0;
    *out = (value){.kind = K_UNDEFINED, .why = why};
    return OK;
}

static status list_of_json(run *x, const json_t *json, bool data, value *out) {
    const size_t n = json_array_size(json);
    value *items;
    TRY(run_take(x, n, sizeof *items, &items));
    for (size_t i = 0; i < n; i++) TRY(value_of_json(x, json_array_get(json, i), data, &items[i]));
    *out = value_of_items(K_LIST, items, n, data);
    return OK;
}

static status dict_of_json(run *x, const json_t *json, bool data, value *out) {
    value_pair *pairs;
    size_t n = 0;
    json_t *object = (json_t *)(uintptr_t)json; /* its iterators take no const; nothing is changed */
    TRY(run_take(x, json_object_size(json), sizeof *pairs, &pairs));
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at), n++) {
        const char *key = json_object_iter_key(at);
        TRY(value_of_utf8(x, key, strlen(key), data, &pairs[n].key));
        TRY(value_of_json(x, json_object_iter_value(at), data, &pairs[n].value));
    }
    *out = (value){.kind = K_DICT, .pairs = pairs, .n = n, .data = data};
    return OK;
}

static status text_of_json(run *x, const json_t *json, bool data, value *out) {
    return value_of_utf8(x, json_string_value(json), json_string_length(json), data, out);
}

status value_of_json(run *x, const json_t *json, bool data, value *out) {
    static status (*const made[])(run *, const json_t *, bool, value *) = {
        [JSON_OBJECT] = dict_of_json, [JSON_ARRAY] = list_of_json, [JSON_STRING] = text_of_json};
    TRY(run_enter(x));
    if (json_typeof(json) <= JSON_STRING) {
        TRY(made[json_typeof(json)](x, json, data, out));
    } else if (json_is_integer(json)) {
        *out = value_of_int(json_integer_value(json), data);
    } else if (json_is_real(json)) {
        *out = value_of_real(json_real_value(json), data);
    } else if (json_is_null(json)) {
        *out = (value){.kind = K_NONE, .data = data};
    } else {
        *out = (value){.kind = K_BOOL, .truth = json_is_true(json), .data = data};
    }
    run_leave(x);
    return OK;
}
