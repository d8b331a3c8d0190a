#include "tools/args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

/* The words of a list like "md|csv|json": the next one's length, 0 at the end. */
static size_t word_length(const char *list) {
    return strcspn(list, "|");
}

static bool list_has(const char *list, const char *word, size_t n) {
    while (list && *list) {
        const size_t length = word_length(list);
        if (length == n && !memcmp(list, word, n)) return true;
        list += length + (list[length] == '|');
    }
    return false;
}

/* ---- values ---- */

static void *field(const args *a, const option *o) {
    return (char *)a->settings + o->offset;
}

static status set_flag(const args *a, const option *o, const char *value, const char *shown, error *e) {
    const char *const yes = "1|true|yes|on", *const no = "0|false|no|off";
    const bool on = list_has(yes, value, strlen(value));
    if (!on && !list_has(no, value, strlen(value))) return fail(e, E_USAGE, "%s: '%s' is neither 1 nor 0", shown, value);
    *(bool *)field(a, o) = on;
    return OK;
}

static status bad_choice(const option *o, const char *value, const char *shown, error *e) {
    char words[256], known[sizeof words];
    snprintf(words, sizeof words, "%s", o->choices);
    snprintf(known, sizeof known, "%s", o->choices);
    nearest n = {.word = value};
    for (char *rest, *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest)) nearest_offer(&n, word);
    for (char *bar = known; (bar = strchr(bar, '|')); bar++) *bar = ' ';
    if (n.best) return fail(e, E_USAGE, "%s: '%s' is not a choice; did you mean '%s'? Known: %s", shown, value, n.best, known);
    return fail(e, E_USAGE, "%s: '%s' is not a choice; known: %s", shown, value, known);
}

static status set_text(const args *a, const option *o, const char *value, const char *shown, error *e) {
    if (o->choices && !list_has(o->choices, value, strlen(value))) return bad_choice(o, value, shown, e);
    if (o->check && o->check(value, e) != OK) return fail_in(e, shown);
    *(const char **)field(a, o) = value;
    return OK;
}

static status check_range(const option *o, double number, const char *value, const char *shown, error *e) {
    const bool bounded = o->min != 0 || o->max != 0;
    if (!bounded || (number >= o->min && number <= o->max)) return OK;
    return fail(e, E_USAGE, "%s: %s is not between %.15g and %.15g", shown, value, o->min, o->max);
}

static status set_int(const args *a, const option *o, const char *value, const char *shown, error *e) {
    char *end;
    errno = 0;
    const long long number = strtoll(value, &end, 10);
    if (end == value || *end || isspace((unsigned char)*value)) return fail(e, E_USAGE, "%s: '%s' is not a whole number", shown, value);
    if (errno) return fail(e, E_USAGE, "%s: %s is too large", shown, value);
    TRY(check_range(o, (double)number, value, shown, e));
    *(int64_t *)field(a, o) = number;
    return OK;
}

static status set_float(const args *a, const option *o, const char *value, const char *shown, error *e) {
    char *end;
    const double number = strtod(value, &end);
    const bool spelled = end != value && !*end && !isspace((unsigned char)*value);
    if (!spelled || !isfinite(number)) return fail(e, E_USAGE, "%s: '%s' is not a number", shown, value);
    TRY(check_range(o, number, value, shown, e));
    *(double *)field(a, o) = number;
    return OK;
}

static status add_to_list(const args *a, const option *o, const char *value, const char *shown, error *e) {
    (void)shown;
    text_list *list = field(a, o);
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 8;
        const char **items = realloc(list->items, room * sizeof *items);
        if (!items) return fail(e, E_MEMORY, "no memory for the command line");
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = value;
    return OK;
}

/* One per kind: `shown` is how the option was spelled, for messages. */
typedef status setter(const args *a, const option *o, const char *value, const char *shown, error *e);
static setter *const setters[] = {
    [OPTION_FLAG] = set_flag, [OPTION_TEXT] = set_text, [OPTION_INT] = set_int, [OPTION_FLOAT] = set_float, [OPTION_LIST] = add_to_list,
};

static status set(args *a, const option *o, const char *value, const char *shown, error *e) {
    TRY(setters[o->kind](a, o, value, shown, e));
    a->given |= UINT64_C(1) << (o - a->command->options);
    return OK;
}

/* ---- finding an option ---- */

static const option no_options[] = {{0}};

static const option *options_of(const command *c) {
    return c->options ? c->options : no_options;
}

/* A long name or alias of n characters; NULL if there is none. */
static const option *find_name(const command *c, const char *name, size_t n) {
    for (const option *o = options_of(c); o->name; o++) {
        if ((strlen(o->name) == n && !memcmp(o->name, name, n)) || list_has(o->alias, name, n)) return o;
    }
    return NULL;
}

static const option *find_letter(const command *c, char letter) {
    for (const option *o = options_of(c); o->name; o++) {
        if (o->letter == letter || list_has(o->alias, &letter, 1)) return o;
    }
    return NULL;
}

static status unknown_option(const command *c, const char *arg, error *e) {
    char word[64];
    const char *name = arg + strspn(arg, "-");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "="), name);
    nearest n = {.word = word};
    for (const option *o = options_of(c); o->name; o++) nearest_offer(&n, o->name);
    nearest_offer(&n, "help");
    nearest_offer(&n, "version");
    if (n.best) return fail(e, E_USAGE, "unknown option '%s'; did you mean '--%s'?", arg, n.best);
    return fail(e, E_USAGE, "unknown option '%s'", arg);
}

status args_set(args *a, const char *name, const char *value, error *e) {
    const option *o = find_name(a->command, name, strlen(name));
    return o ? set(a, o, value, name, e) : unknown_option(a->command, name, e);
}

/* ---- the walk ---- */

typedef struct walk {
    args *a;
    char **argv;
    int argc, at; /* the next argument to read */
    args_want want;
} walk;

/* Sets an option whose value is joined to it (`joined`, NULL if not) or the next argument. */
static status take(walk *w, const option *o, const char *joined, const char *shown, error *e) {
    if (o->kind == OPTION_FLAG) {
        if (joined) return fail(e, E_USAGE, "%s takes no value", shown);
        return set(w->a, o, "1", shown, e);
    }
    if (joined) return set(w->a, o, joined, shown, e);
    if (w->at == w->argc) return fail(e, E_USAGE, "%s wants a value: %s", shown, o->value);
    return set(w->a, o, w->argv[w->at++], shown, e);
}

static bool is_wish(walk *w, const char *arg) {
    if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) w->want = ARGS_HELP;
    if (!strcmp(arg, "--version")) w->want = ARGS_VERSION;
    return w->want != ARGS_RUN;
}

/* "-x", "-xVALUE", "-xyz" of flags. Programs of this trade also spell long names with one dash ("-ctk f16"): a whole name goes first. */
static status take_letters(walk *w, const char *arg, error *e) {
    const option *whole = arg[2] ? find_name(w->a->command, arg + 1, strlen(arg + 1)) : NULL;
    if (whole) return take(w, whole, NULL, arg, e);
    for (const char *letter = arg + 1; *letter; letter++) {
        const option *o = find_letter(w->a->command, *letter);
        if (!o) return unknown_option(w->a->command, arg, e);
        const char shown[] = {'-', *letter, 0};
        if (o->kind != OPTION_FLAG) return take(w, o, letter[1] ? letter + 1 : NULL, shown, e);
        TRY(take(w, o, NULL, shown, e));
    }
    return OK;
}

static status take_long(walk *w, const char *arg, error *e) {
    const size_t n = strcspn(arg + 2, "=");
    const option *o = find_name(w->a->command, arg + 2, n);
    if (!o) return unknown_option(w->a->command, arg, e);
    char shown[64];
    snprintf(shown, sizeof shown, "%.*s", (int)n + 2, arg);
    return take(w, o, arg[n + 2] ? arg + n + 3 : NULL, shown, e);
}

static status walk_arguments(walk *w, error *e) {
    bool options = true;
    while (w->at < w->argc) {
        const char *arg = w->argv[w->at++];
        if (options && !strcmp(arg, "--")) {
            options = false;
        } else if (!options || arg[0] != '-' || !arg[1]) {
            w->a->operands[w->a->n_operands++] = arg;
        } else if (is_wish(w, arg)) {
            return OK;
        } else {
            TRY(arg[1] == '-' ? take_long(w, arg, e) : take_letters(w, arg, e));
        }
    }
    return OK;
}

/* ---- the environment ---- */

void args_variable(const option *o, char name[VARIABLE_NAME]) {
    snprintf(name, VARIABLE_NAME, "QBIN_%s", o->name);
    for (char *c = name + 5; *c; c++) *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static status read_environment(args *a, error *e) {
    for (const option *o = options_of(a->command); o->name; o++) {
        char name[VARIABLE_NAME];
        args_variable(o, name);
        const char *value = getenv(name);
        const bool given = a->given >> (o - a->command->options) & 1;
        if (!given && value && *value) TRY(set(a, o, value, name, e));
    }
    return OK;
}

/* ---- options that belong together, or do not ---- */

/* The first option of a list that is among those of `bits`; NULL if none is. */
static const option *first_of(const args *a, const char *list, uint64_t bits) {
    while (list && *list) {
        const size_t length = word_length(list);
        const option *o = find_name(a->command, list, length);
        if (o && bits >> (o - a->command->options) & 1) return o;
        list += length + (list[length] == '|');
    }
    return NULL;
}

/* What is typed and would be ignored is refused: it does not do what was meant. The environment holds wishes for whenever they have a meaning. */
static status check_company(const args *a, error *e) {
    for (const option *o = options_of(a->command); o->name; o++) {
        if (!(a->typed >> (o - a->command->options) & 1)) continue;
        const option *other = first_of(a, o->excludes, a->typed);
        if (other) return fail(e, E_USAGE, "--%s cannot go with --%s", o->name, other->name);
        if (!o->needs || first_of(a, o->needs, a->given)) continue;
        return fail(e, E_USAGE, "--%s has no meaning without --%.*s", o->name, (int)word_length(o->needs), o->needs);
    }
    return OK;
}

/* ---- all of it ---- */

static status check_operands(const args *a, error *e) {
    const command *c = a->command;
    if (a->n_operands < c->min_operands) {
        const size_t missing = c->min_operands - a->n_operands;
        return fail(e, E_USAGE, "%zu operand%s missing: %s %s", missing, missing == 1 ? " is" : "s are", c->name, c->usage);
    }
    if (a->n_operands <= c->max_operands) return OK;
    return fail(e, E_USAGE, "unexpected operand '%s'%s%s", a->operands[c->max_operands], c->stray ? "; " : "", c->stray ? c->stray : "");
}

static status open_args(args *a, const command *c, int argc, error *e) {
    *a = (args){.command = c};
    a->settings = calloc(1, c->settings_bytes ? c->settings_bytes : 1);
    a->operands = calloc((size_t)argc + 1, sizeof *a->operands);
    if (!a->settings || !a->operands) return fail(e, E_MEMORY, "no memory for the command line");
    if (c->defaults) memcpy(a->settings, c->defaults, c->settings_bytes);
    return OK;
}

status args_parse(args *a, const command *c, int argc, char **argv, args_want *want, error *e) {
    TRY(open_args(a, c, argc, e));
    walk w = {.a = a, .argv = argv, .argc = argc};
    const status s = walk_arguments(&w, e);
    *want = w.want;
    if (s != OK || w.want != ARGS_RUN) return s;
    a->typed = a->given;
    TRY(read_environment(a, e));
    TRY(check_company(a, e));
    return check_operands(a, e);
}

void args_free(args *a) {
    for (const option *o = a->settings ? options_of(a->command) : no_options; o->name; o++) {
        if (o->kind == OPTION_LIST) free(((text_list *)field(a, o))->items);
    }
    free(a->settings);
    free(a->operands);
    *a = (args){0};
}

bool args_given(const args *a, size_t offset) {
    for (const option *o = options_of(a->command); o->name; o++) {
        if (o->offset == offset) return a->given >> (o - a->command->options) & 1;
    }
    assert(false && "no option has this offset");
    return false;
}
