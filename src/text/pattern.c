#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "text/unicode.h"

/* A hostile expression may take exponential time: these end it. A plain one needs a few steps a byte. */
enum { MATCH_LIMIT = 10000000, DEPTH_LIMIT = 1000000, HEAP_LIMIT_KIB = 65536 };

const char regex_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char regex_llama3[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char regex_qwen[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* ---- scanners ---- */

static status find_scanned(const pattern *p, matcher *m, slice text, size_t from, span *found, error *e) {
    (void)m, (void)e;
    *found = from < text.n ? (span){from, p->engine->scan(text, from)} : (span){SIZE_MAX, SIZE_MAX};
    return OK;
}

/* ---- literals ---- */

static status find_literal(const pattern *p, matcher *m, slice text, size_t from, span *found, error *e) {
    (void)m, (void)e;
    *found = (span){SIZE_MAX, SIZE_MAX};
    if (p->text.n == 0 || from >= text.n) return OK;
    const uint8_t *rest = text.p + from;
    const uint8_t *at = p->text.n == 1 ? memchr(rest, p->text.p[0], text.n - from) : memmem(rest, text.n - from, p->text.p, p->text.n);
    if (at) *found = (span){(size_t)(at - text.p), (size_t)(at - text.p) + p->text.n};
    return OK;
}

/* ---- PCRE2 ---- */

typedef struct compiled {
    pcre2_code *code;
    pcre2_match_context *limits;
} compiled;

static void pcre2_close(pattern *p) {
    compiled *c = p->code;
    if (!c) return;
    pcre2_code_free(c->code);
    pcre2_match_context_free(c->limits);
    free(c);
    p->code = NULL;
}

static status compile(compiled *c, slice regex, error *e) {
    int code = 0;
    size_t at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        c->code = pcre2_compile(regex.p, regex.n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                                context);
        pcre2_compile_context_free(context);
    }
    c->limits = pcre2_match_context_create(NULL);
    if (!context || !c->limits || code == PCRE2_ERROR_HEAP_FAILED) return fail(e, E_MEMORY, "no memory for a regex");
    if (!c->code) {
        char message[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        return fail(e, E_FILE, "regex \"%.*s\": %s at %zu", QUOTED(regex), message, at);
    }
    pcre2_set_match_limit(c->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(c->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(c->limits, HEAP_LIMIT_KIB);
    pcre2_jit_compile(c->code, PCRE2_JIT_COMPLETE); /* without it, or where it cannot, the interpreter runs */
    return OK;
}

static status pcre2_open(pattern *p, error *e) {
    compiled *c = calloc(1, sizeof *c);
    if (!c) return fail(e, E_MEMORY, "no memory for a regex");
    p->code = c;
    buffer translated = {0};
    status s = regex_translate(p->text, &translated, e);
    if (s == OK) s = compile(c, buffer_slice(&translated), e);
    buffer_free(&translated);
    if (s != OK) pcre2_close(p);
    return s;
}

static status find_pcre2(const pattern *p, matcher *m, slice text, size_t from, span *found, error *e) {
    const compiled *c = p->code;
    *found = (span){SIZE_MAX, SIZE_MAX};
    if (!m->data) m->data = pcre2_match_data_create(1, NULL);
    if (!m->data) return fail(e, E_MEMORY, "no memory to match a regex");
    const uint8_t *subject = text.n ? text.p : (const uint8_t *)"";
    int rc = pcre2_match(c->code, subject, text.n, from, PCRE2_NO_UTF_CHECK, m->data, c->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(c->code, subject, text.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->data, c->limits);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return OK;
    if (rc < 0) {
        char message[128] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)message, sizeof message);
        return fail(e, E_RUN, "regex \"%.*s\" gives up at byte %zu of a text: %s", QUOTED(p->text), from, message);
    }
    const size_t *ends = pcre2_get_ovector_pointer(m->data);
    /* \K inside a lookahead can put the begin after the end or before `from`: read it as no match of ours. */
    if (ends[0] < from || ends[1] < ends[0]) return fail(e, E_RUN, "regex \"%.*s\" matches backwards", QUOTED(p->text));
    *found = (span){ends[0], ends[1]};
    return OK;
}

void matcher_close(matcher *m) {
    pcre2_match_data_free(m->data);
    *m = (matcher){0};
}

/* ---- the list ---- */

static const pattern_engine engine_gpt2 = {.name = "gpt2", .regex = regex_gpt2, .find = find_scanned, .scan = scan_gpt2};
static const pattern_engine engine_llama3 = {.name = "llama3", .regex = regex_llama3, .find = find_scanned, .scan = scan_llama3};
static const pattern_engine engine_qwen = {.name = "qwen", .regex = regex_qwen, .find = find_scanned, .scan = scan_qwen};
const pattern_engine engine_pcre2 = {.name = "pcre2", .regexes = true, .find = find_pcre2, .open = pcre2_open, .close = pcre2_close};
static const pattern_engine engine_literal = {.name = "literal", .find = find_literal};

const pattern_engine *const pattern_engines[] = {
    &engine_gpt2, &engine_llama3, &engine_qwen, &engine_pcre2, &engine_literal, NULL,
};

static bool engine_fits(const pattern_engine *engine, slice text, bool regex) {
    if (engine->regex) return regex && slice_same(slice_of(engine->regex), text);
    return engine->regexes == regex;
}

status pattern_open_engine(pattern **out, slice text, const pattern_engine *engine, error *e) {
    *out = NULL;
    if (text.n > PATTERN_BYTES_MAX) return fail(e, E_FILE, "a pattern of %zu bytes is longer than %d", text.n, PATTERN_BYTES_MAX);
    if (utf8_valid(text) != text.n) return fail(e, E_FILE, "a pattern is not UTF-8");
    pattern *p = calloc(1, sizeof *p);
    if (!p) return fail(e, E_MEMORY, "no memory for a pattern");
    *p = (pattern){.engine = engine, .text = text};
    const status s = engine->open ? engine->open(p, e) : OK;
    if (s == OK) {
        *out = p;
    } else {
        free(p);
    }
    return s;
}

status pattern_open(pattern **out, slice text, bool regex, error *e) {
    const pattern_engine *const *engine = pattern_engines;
    while (*engine && !engine_fits(*engine, text, regex)) engine++;
    return pattern_open_engine(out, text, *engine, e);
}

void pattern_close(pattern **p) {
    if (!*p) return;
    if ((*p)->engine->close) (*p)->engine->close(*p);
    free(*p);
    *p = NULL;
}

status pattern_next(const pattern *p, matcher *m, slice text, pattern_walk *w, span *found, error *e) {
    *found = (span){SIZE_MAX, SIZE_MAX};
    while (w->from <= text.n) {
        TRY(p->engine->find(p, m, text, w->from, found, e));
        if (found->begin == SIZE_MAX) return OK;
        w->from = found->end;
        if (found->begin != found->end || found->end != w->last) {
            w->last = found->end;
            return OK;
        }
        /* an empty match right after a match: search on from the next character */
        w->from += w->from < text.n ? utf8_length(text.p[w->from]) : 1;
        *found = (span){SIZE_MAX, SIZE_MAX};
    }
    return OK;
}
