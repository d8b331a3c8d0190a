/* /set: options of the command line that can still change while one talks. Values are read and checked as there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "tools/args.h"
#include "tools/chat.h"

/* Names of options whose values are numbers. */
static const char *const names[] = {"temp", "top-k", "top-p", "min-p", "repeat-penalty", "repeat-last-n", "seed", "predict"};
enum { NAMES = sizeof names / sizeof *names };

static status show(const chat *c) {
    generator_describe_sampler(&c->on);
    if (c->set->predict < 0) fprintf(stderr, "predict: as many tokens as there is room for\n");
    if (c->set->predict >= 0) fprintf(stderr, "predict: %lld tokens at most\n", (long long)c->set->predict);
    fprintf(stderr, "/set NAME VALUE:");
    for (size_t i = 0; i < NAMES; i++) fprintf(stderr, " %s", names[i]);
    fputc('\n', stderr);
    return OK;
}

/* As the options of the same names; the dashes and the '=' that people type there are allowed. */
static status find_name(const char **out, const char *typed, error *e) {
    nearest n = {.word = typed};
    for (size_t i = 0; i < NAMES; i++) {
        nearest_offer(&n, names[i]);
        *out = names[i];
        if (!strcmp(typed, names[i])) return OK;
    }
    if (n.best) return fail(e, E_USAGE, "/set: unknown name '%.60s'; did you mean '%s'?", typed, n.best);
    return fail(e, E_USAGE, "/set: unknown name '%.60s'; /set alone lists them", typed);
}

static status change(chat *c, const char *name, const char *value, error *e) {
    TRY(find_name(&name, name, e));
    if (!*value) return fail(e, E_USAGE, "/set %s wants a value", name);
    TRY(args_set(&c->args, name, value, e));
    if (!strcmp(name, "predict")) return OK;
    return generator_sample(&c->on, &c->args, offsetof(chat_settings, sampling), e);
}

status chat_set(chat *c, const char *text, error *e) {
    if (!*text) return show(c);
    char *copy = strdup(text + strspn(text, "-"));
    if (!copy) return fail(e, E_MEMORY, "no memory");
    char *value = copy + strcspn(copy, " \t=");
    if (*value) *value++ = 0;
    value += strspn(value, " \t=");
    const status s = change(c, copy, value, e);
    free(copy);
    return s;
}
