/* The tags of the language: each is a row of `statements`. */
#include "text/jinja_parse.h"

typedef struct statement {
    const char *name;
    status (*parse)(parser *p, node *n); /* from behind the name up to the end of the last tag, which the caller takes */
} statement;

/* ---- bodies ---- */

/* The body of a statement that ends with one tag, which is taken. */
static status parse_block(parser *p, const char *end, body *out) {
    const char *const ends[] = {end, NULL};
    TRY(parse_body(p, ends, out));
    p->at++;
    return OK;
}

/* ---- loops and conditions ---- */

static status parse_for(parser *p, node *n) {
    static const char *const ends[] = {"endfor", "else", NULL};
    static const letter loop[] = {'l', 'o', 'o', 'p'};
    TRY(parse_target(p, "in", false, &n->a));
    if (!skip_name(p, "in")) return parse_refuse(p, "expected token 'in', got '%s'", token_shown(p, p->at));
    TRY(parse_tuple(p, false, "recursive", &n->b));
    if (skip_name(p, "if")) TRY(parse_expression(p, true, &n->c));
    n->flag = skip_name(p, "recursive");
    n->exec = exec_for;
    TRY(name_number(p, value_of_letters(loop, 4), &n->name));
    p->loops++;
    TRY(parse_body(p, ends, &n->list));
    p->loops--;
    if (skip_name(p, "endfor")) return OK;
    p->at++;
    return parse_block(p, "endfor", &n->other);
}

static status parse_if(parser *p, node *n) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    p->chosen++;
    for (node *branch = n;;) {
        branch->exec = exec_if;
        TRY(parse_tuple(p, false, NULL, &branch->a));
        TRY(parse_body(p, ends, &branch->list));
        if (!skip_name(p, "elif")) {
            if (skip_name(p, "else")) {
                TRY(parse_block(p, "endif", &branch->other));
            } else {
                p->at++;
            }
            break;
        }
        node *next;
        TRY(node_new(p, &next));
        branch->c = next;
        branch = next;
    }
    p->chosen--;
    return OK;
}

static status parse_break(parser *p, node *n) {
    n->exec = exec_break;
    return p->loops ? OK : parse_refuse(p, "'break' outside loop");
}

static status parse_continue(parser *p, node *n) {
    n->exec = exec_continue;
    return p->loops ? OK : parse_refuse(p, "'continue' outside loop");
}

/* ---- names ---- */

static status parse_set(parser *p, node *n) {
    TRY(parse_target(p, NULL, true, &n->a));
    if (skip_sign(p, "=")) {
        n->exec = exec_set;
        return parse_tuple(p, true, NULL, &n->b);
    }
    n->exec = exec_set_body;
    TRY(parse_filters(p, NULL, false, &n->b));
    return parse_block(p, "endset", &n->list);
}

static status parse_with(parser *p, node *n) {
    node_list targets = {0}, values = {0};
    const node *item;
    while (p->at->type != TOKEN_BLOCK_END) {
        if (targets.n) TRY(expect_sign(p, ","));
        TRY(parse_target(p, NULL, false, &item));
        TRY(list_add(p, &targets, item));
        TRY(expect_sign(p, "="));
        TRY(parse_expression(p, true, &item));
        TRY(list_add(p, &values, item));
    }
    node *inner;
    TRY(node_new(p, &inner));
    n->exec = exec_with;
    n->list = list_body(&targets);
    n->other = list_body(&values);
    n->c = inner;
    return parse_block(p, "endwith", &inner->list);
}

/* ---- macros and calls ---- */

static status parse_parameters(parser *p, signature *s) {
    node_list defaults = {0};
    const node *item;
    uint32_t *names = NULL;
    size_t room = 0;
    TRY(expect_sign(p, "("));
    while (!at_sign(p, ")")) {
        value name;
        if (s->n) TRY(expect_sign(p, ","));
        TRY(expect_name(p, &name));
        if (s->n == room) {
            uint32_t *more;
            room = room ? 2 * room : 8;
            TRY(run_take(p->x, room, sizeof *more, &more));
            if (s->n) memcpy(more, names, s->n * sizeof *more);
            names = more;
        }
        TRY(name_number(p, name, &names[s->n++]));
        if (skip_sign(p, "=")) {
            TRY(parse_expression(p, true, &item));
            TRY(list_add(p, &defaults, item));
        } else if (defaults.n) {
            return parse_refuse(p, "non-default argument follows default argument");
        }
    }
    s->names = names;
    s->defaults = defaults.p;
    s->n_defaults = defaults.n;
    return expect_sign(p, ")");
}

/* The body, noting which of its own names it uses; a loop around it is not its loop. */
static status parse_macro_body(parser *p, signature *s, const char *end, body *out) {
    const signature around = p->used;
    const size_t loops = p->loops;
    p->used = (signature){0};
    p->loops = 0;
    TRY(parse_block(p, end, out));
    p->used.names = s->names;
    p->used.defaults = s->defaults;
    p->used.n = s->n;
    p->used.n_defaults = s->n_defaults;
    *s = p->used;
    p->used = around;
    p->loops = loops;
    return OK;
}

static status parse_macro(parser *p, node *n) {
    signature *s;
    TRY(run_take(p->x, 1, sizeof *s, &s));
    *s = (signature){0};
    TRY(expect_name(p, &n->constant));
    TRY(name_number(p, n->constant, &n->name));
    TRY(parse_parameters(p, s));
    n->exec = exec_macro;
    n->signature = s;
    return parse_macro_body(p, s, "endmacro", &n->list);
}

static status parse_call_block(parser *p, node *n) {
    signature *s;
    TRY(run_take(p->x, 1, sizeof *s, &s));
    *s = (signature){0};
    if (at_sign(p, "(")) TRY(parse_parameters(p, s));
    TRY(parse_expression(p, true, &n->a));
    if (n->a->eval != eval_call) return parse_refuse(p, "expected call");
    n->exec = exec_call;
    n->signature = s;
    return parse_macro_body(p, s, "endcall", &n->list);
}

/* ---- blocks ---- */

static status parse_filter_block(parser *p, node *n) {
    n->exec = exec_filter;
    TRY(parse_filters(p, NULL, true, &n->a));
    return parse_block(p, "endfilter", &n->list);
}

static status parse_generation(parser *p, node *n) {
    n->exec = exec_scope;
    return parse_block(p, "endgeneration", &n->list);
}

static status parse_autoescape(parser *p, node *n) {
    n->exec = exec_autoescape;
    TRY(parse_expression(p, true, &n->a));
    return parse_block(p, "endautoescape", &n->list);
}

/* Without inheritance a block stands where it is written, and sees the names at the top of the template alone. */
static status parse_named_block(parser *p, node *n) {
    n->exec = exec_block;
    TRY(expect_name(p, &n->constant));
    n->flag = skip_name(p, "scoped");
    TRY(parse_block(p, "endblock", &n->list));
    if (p->at->type == TOKEN_NAME && letters_compare(token_text(&p->tokens, p->at), n->constant) == 0) p->at++;
    return OK;
}

static status parse_print(parser *p, node *n) {
    node_list items = {0};
    const node *item;
    while (p->at->type != TOKEN_BLOCK_END) {
        if (items.n) TRY(expect_sign(p, ","));
        TRY(parse_expression(p, true, &item));
        TRY(list_add(p, &items, item));
    }
    n->exec = exec_print;
    n->list = list_body(&items);
    return OK;
}

static const statement statements[] = {
    {"for", parse_for},
    {"if", parse_if},
    {"break", parse_break},
    {"continue", parse_continue},
    {"set", parse_set},
    {"with", parse_with},
    {"macro", parse_macro},
    {"call", parse_call_block},
    {"filter", parse_filter_block},
    {"generation", parse_generation},
    {"autoescape", parse_autoescape},
    {"block", parse_named_block},
    {"print", parse_print},
};

/* ---- the parts of a body ---- */

static status parse_statement(parser *p, const node **out) {
    node *n;
    if (p->at->type != TOKEN_NAME) return parse_refuse(p, "tag name expected");
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (!at_name(p, statements[i].name)) continue;
        TRY(node_new(p, &n));
        TRY(run_enter(p->x));
        p->at++;
        TRY(statements[i].parse(p, n));
        run_leave(p->x);
        *out = n;
        return expect_type(p, TOKEN_BLOCK_END, "end of statement block");
    }
    return parse_refuse(p, "Encountered unknown tag '%s'.", token_shown(p, p->at));
}

static status parse_data(parser *p, const node **out) {
    node *n;
    TRY(node_new(p, &n));
    n->exec = exec_data;
    n->constant = token_text(&p->tokens, p->at++);
    *out = n;
    return OK;
}

static status parse_printed(parser *p, const node **out) {
    node *n;
    node_list items = {0};
    TRY(node_new(p, &n));
    p->at++;
    TRY(parse_tuple(p, true, NULL, out));
    TRY(list_add(p, &items, *out));
    n->exec = exec_print;
    n->list = list_body(&items);
    *out = n;
    return expect_type(p, TOKEN_PRINT_END, "end of print statement");
}

static bool at_end(const parser *p, const char *const *ends) {
    for (; ends && *ends; ends++) {
        if (at_name(p, *ends)) return true;
    }
    return false;
}

static status refuse_end(parser *p, const char *const *ends) {
    char words[100] = "";
    for (size_t n = 0; *ends; ends++) {
        const int more = snprintf(words + n, sizeof words - n, "%s'%s'", n ? " or " : "", *ends);
        n += (size_t)more;
    }
    return parse_refuse(p, "Unexpected end of template. Jinja was looking for the following tags: %s.", words);
}

status parse_body(parser *p, const char *const *ends, body *out) {
    node_list items = {0};
    const node *item;
    if (ends) {
        skip_sign(p, ":");
        TRY(expect_type(p, TOKEN_BLOCK_END, "end of statement block"));
    }
    while (p->at->type != TOKEN_END) {
        if (p->at->type == TOKEN_DATA) {
            TRY(parse_data(p, &item));
        } else if (p->at->type == TOKEN_PRINT_BEGIN) {
            TRY(parse_printed(p, &item));
        } else {
            p->at++; /* the beginning of a tag: nothing else stands here */
            *out = list_body(&items);
            if (at_end(p, ends)) return OK;
            TRY(parse_statement(p, &item));
        }
        TRY(list_add(p, &items, item));
    }
    *out = list_body(&items);
    return ends ? refuse_end(p, ends) : OK;
}
