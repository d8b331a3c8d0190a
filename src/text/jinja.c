#include "text/jinja.h"

#include <stdlib.h>

#include "text/jinja_parse.h"
#include "text/unicode.h"

enum { COMPILE_BYTES = 512 << 20, STEPS = 20000000, DEPTH = 500, PARSE_DEPTH = 200, OUTPUT = 16 << 20, MEMORY = 256 << 20 };

/* ---- compiling ---- */

static status read_template(run *x, jinja *j, const char *source, size_t bytes) {
    parser p = {.x = x};
    value text;
    if (bytes > JINJA_SOURCE_MAX) return run_fail(x, SYNTAX_ERROR, "the template has %zu bytes, more than %d", bytes, JINJA_SOURCE_MAX);
    if (utf8_valid((slice){(const uint8_t *)source, bytes}) != bytes) return run_fail(x, SYNTAX_ERROR, "the template is not UTF-8");
    TRY(value_of_utf8(x, source, bytes, false, &text));
    TRY(lex_template(x, text, &p.tokens));
    p.at = p.tokens.list;
    TRY(parse_body(&p, NULL, &j->body));
    j->names = p.names;
    j->n_names = p.n_names;
    return OK;
}

status jinja_compile(jinja **out, const char *text, size_t bytes, jinja_failure *why, error *e) {
    jinja_failure failure = {0};
    run x = {
        .heap = {.left = COMPILE_BYTES}, .steps = SIZE_MAX, .depth = PARSE_DEPTH, .line = 1, .code = E_FILE, .why = why ? why : &failure, .e = e};
    *out = NULL;
    jinja *j = calloc(1, sizeof *j);
    if (!j) return fail(e, E_MEMORY, "no memory for a chat template");
    const status s = read_template(&x, j, text, bytes);
    j->heap = x.heap;
    if (s == OK) {
        *out = j;
    } else {
        jinja_close(&j);
    }
    return s;
}

void jinja_close(jinja **j) {
    if (*j) heap_close(&(*j)->heap);
    free(*j);
    *j = NULL;
}

/* ---- rendering ---- */

static bool is_trusted(const jinja_input *in, const char *name) {
    for (const char *const *t = in->trusted; t && *t; t++) {
        if (!strcmp(*t, name)) return true;
    }
    return false;
}

/* Those variables that the template names. */
static status set_variables(run *x, const jinja *j, const jinja_input *in) {
    json_t *variables = (json_t *)(uintptr_t)in->variables; /* its iterators take no const; nothing is changed */
    for (void *at = json_object_iter(variables); at; at = json_object_iter_next(variables, at)) {
        const char *name = json_object_iter_key(at);
        value key, v;
        TRY(value_of_utf8(x, name, strlen(name), false, &key));
        TRY(run_spend(x, j->n_names / 32));
        for (size_t i = 0; i < j->n_names; i++) {
            if (letters_compare(j->names[i], key)) continue;
            TRY(value_of_json(x, json_object_iter_value(at), !is_trusted(in, name), &v));
            TRY(scope_set(x, x->root, (uint32_t)i, v));
        }
    }
    return OK;
}

static status add_span(jinja_output *out, size_t *room, size_t begin, size_t end, bool data) {
    jinja_span *last = out->n_spans ? &out->spans[out->n_spans - 1] : NULL;
    if (last && last->data == data) return last->end = end, OK;
    if (out->n_spans == *room) {
        *room = *room ? 2 * *room : 16;
        jinja_span *more = reallocarray(out->spans, *room, sizeof *more);
        if (!more) return E_MEMORY;
        out->spans = more;
    }
    out->spans[out->n_spans++] = (jinja_span){begin, end, data};
    return OK;
}

/* Letters to UTF-8, a run of one origin at a time. */
static status write_output(value page, jinja_output *out) {
    size_t room = 0;
    out->text = malloc(page.n * 4 + 1);
    if (!out->text) return E_MEMORY;
    for (size_t i = 0, end; i < page.n; i = end) {
        const letter from = page.text[i] & LETTER_DATA;
        for (end = i; end < page.n && (page.text[end] & LETTER_DATA) == from;) end++;
        const size_t n = text_utf8(text_part(page, i, end), (uint8_t *)out->text + out->bytes);
        TRY(add_span(out, &room, out->bytes, out->bytes + n, from != 0));
        out->bytes += n;
    }
    out->text[out->bytes] = 0;
    char *fit = realloc(out->text, out->bytes + 1);
    if (fit) out->text = fit;
    return OK;
}

static status render(run *x, const jinja *j, const jinja_input *in, jinja_output *out) {
    writer page = {0};
    x->out = x->page = &page;
    TRY(scope_open(x, NULL, &x->root));
    x->scope = x->root;
    TRY(set_variables(x, j, in));
    TRY(run_body(x, &j->body));
    return write_output(text_value(&page), out) == OK ? OK : fail(x->e, E_MEMORY, "no memory for the text of a chat template");
}

static size_t limit(size_t asked, size_t otherwise) {
    return asked ? asked : otherwise;
}

status jinja_render(const jinja *j, const jinja_input *in, jinja_output *out, jinja_failure *why, error *e) {
    jinja_failure failure = {0};
    run x = {
        .heap = {.left = limit(in->limits.memory, MEMORY)},
        .steps = limit(in->limits.steps, STEPS),
        .depth = limit(in->limits.depth, DEPTH),
        .output = limit(in->limits.output, OUTPUT),
        .line = 1,
        .code = E_RUN,
        .names = j->names,
        .n_names = j->n_names,
        .now = in->now,
        .why = why ? why : &failure,
        .e = e,
    };
    *out = (jinja_output){0};
    const status s = render(&x, j, in, out);
    if (s != OK) jinja_output_free(out);
    heap_close(&x.heap);
    return s;
}

void jinja_output_free(jinja_output *out) {
    free(out->text);
    free(out->spans);
    *out = (jinja_output){0};
}
