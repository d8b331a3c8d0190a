/* Names of descriptors, and with them which descriptors there are: a format is valid if it can be spelled. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/nearest.h"
#include "format.h"

typedef struct grain_word {
    const char *text;
    grain grain;
    uint16_t block;
    scope scope; /* of the codebook, for families that have one */
} grain_word;

static const grain_word grain_words[] = {
    {"-b32", GRAIN_BLOCK, 32, SCOPE_TENSOR}, {"-b64", GRAIN_BLOCK, 64, SCOPE_TENSOR}, {"-b128", GRAIN_BLOCK, 128, SCOPE_TENSOR},
    {"-row", GRAIN_ROW, 0, SCOPE_ROW},       {"-group", GRAIN_ROW, 0, SCOPE_GROUP},   {"-tensor", GRAIN_TENSOR, 0, SCOPE_TENSOR},
};

typedef struct act_word {
    const char *text;
    const char *name;             /* as an option of a command calls it */
    act_code narrow, wide, eight; /* if weights share a scale by 32; by more; by more, and have 8 bits. ACT_CODES: there is none */
} act_word;

/* Weights of 8 bits lose so little that activations in blocks of 64 would be most of the error: theirs are blocks of 32 whatever shares a scale. */
static const act_word act_words[] = {
    {"", "block", ACT_I8_32, ACT_I8_64, ACT_I8_32},
    {"@b32", "b32", ACT_I8_32, ACT_I8_32, ACT_I8_32},
    {"@b64", "b64", ACT_CODES, ACT_I8_64, ACT_I8_64},
    {"@token", "token", ACT_TOKEN_32, ACT_TOKEN_64, ACT_TOKEN_64},
    {"@static", "static", ACT_STATIC_32, ACT_STATIC_64, ACT_STATIC_64},
    {"@f32", "f32", ACT_F32, ACT_F32, ACT_F32},
};

enum { GRAINS = sizeof grain_words / sizeof *grain_words, ACTS = sizeof act_words / sizeof *act_words, BITS_MAX = 8 };

static bool spells_bits(const family *of) {
    return (of->widths & (of->widths - 1)) != 0;
}

/* What the word means for a format; false if that is nothing. */
static bool set_act(format *f, const act_word *a) {
    const act_code act = f->block == 32 ? a->narrow : f->bits == 8 ? a->eight : a->wide;
    if (act != ACT_CODES) f->act = act;
    return act != ACT_CODES;
}

/* The descriptor that is spelled so; false if the family does not define it. */
static bool combine(format *out, const family *of, unsigned bits, bool has_min, const grain_word *g, const act_word *a) {
    *out = (format){of, (uint8_t)bits, has_min, g->grain, g->block, of->learn ? g->scope : SCOPE_NONE, ACT_F32};
    return set_act(out, a) && (of->widths >> bits & 1) && (!has_min || of->minimum) && (g->scope != SCOPE_GROUP || of->learn);
}

static format plain_format(const family *of) {
    return (format){.family = of, .bits = of->plain_bits, .grain = GRAIN_NONE, .scope = SCOPE_NONE, .act = ACT_F32};
}

/* ---- from a name ---- */

/* The grain that text[length] spells; the family's own if it is empty. */
static const grain_word *find_grain(const family *of, const char *text, size_t length) {
    for (size_t i = 0; i < GRAINS; i++) {
        const grain_word *g = &grain_words[i];
        if (length ? !strncasecmp(g->text, text, length) && !g->text[length] : g->block == of->block) return g;
    }
    return NULL;
}

static const act_word *find_act(const char *text) {
    for (size_t i = 0; i < ACTS; i++) {
        if (!strcasecmp(act_words[i].text, text)) return &act_words[i];
    }
    return NULL;
}

bool format_set_act(format *f, const char *name) {
    for (size_t i = 0; i < ACTS; i++) {
        if (strcmp(act_words[i].name, name) != 0) continue;
        if (!f->family->plain) set_act(f, &act_words[i]);
        return true;
    }
    return false;
}

static unsigned only_width(const family *of) {
    unsigned bits = 0;
    while (!(of->widths >> bits & 1)) bits++;
    return bits;
}

static bool spell(format *out, const family *of, const char *name) {
    const size_t length = strlen(of->prefix);
    const char *rest = name + length;
    if (strncasecmp(name, of->prefix, length) != 0) return false;
    if (of->plain) {
        *out = plain_format(of);
        return !*rest;
    }
    if (spells_bits(of) && !isdigit((unsigned char)*rest)) return false;
    const unsigned bits = spells_bits(of) ? (unsigned)(*rest++ - '0') : only_width(of);
    const bool has_min = *rest == 'a' || *rest == 'A';
    rest += has_min;
    const size_t grain_length = strcspn(rest, "@");
    const grain_word *g = find_grain(of, rest, grain_length);
    const act_word *a = find_act(rest + grain_length);
    return g && a && combine(out, of, bits, has_min, g, a);
}

/* The nearest name: those of the list first, then all; each with every word for activations if there is an @. */
static void offer_names(nearest *near, char best[FORMAT_NAME]) {
    format f;
    char name[FORMAT_NAME];
    for (const format_entry *entry = format_list; entry->name; entry++) nearest_offer(near, entry->name);
    if (near->best) snprintf(best, FORMAT_NAME, "%s", near->best);
    for (size_t i = 0; format_nth(i, &f); i++) {
        format_name(&f, name);
        const size_t length = strlen(name);
        for (size_t a = 0; a < (strchr(near->word, '@') && !f.family->plain ? ACTS : 1); a++) {
            snprintf(name + length, sizeof name - length, "%s", act_words[a].text);
            nearest_offer(near, name);
            if (near->best != name) continue;
            snprintf(best, FORMAT_NAME, "%s", name);
            near->best = best;
        }
    }
}

status format_parse(format *out, const char *name, error *e) {
    for (const family *const *f = families; *f; f++) {
        if (spell(out, *f, name)) return OK;
    }
    char best[FORMAT_NAME], known[512] = "";
    nearest near = {.word = name};
    offer_names(&near, best);
    if (near.best) return fail(e, E_USAGE, "unknown format '%s'; did you mean '%s'?", name, near.best);
    for (const format_entry *entry = format_list; entry->name; entry++) {
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", entry->name);
    }
    return fail(e, E_USAGE, "unknown format '%s'; known are%s", name, known);
}

/* ---- to a name ---- */

static bool find_words(const format *f, const grain_word **g, const act_word **a) {
    for (size_t i = 0; i < GRAINS * ACTS; i++) {
        format same;
        *g = &grain_words[i / ACTS];
        *a = &act_words[i % ACTS];
        if (f->bits <= BITS_MAX && combine(&same, f->family, f->bits, f->has_min, *g, *a) && format_equal(f, &same)) return true;
    }
    return false;
}

bool format_valid(const format *f) {
    const grain_word *g;
    const act_word *a;
    const format plain = plain_format(f->family);
    return f->family->plain ? format_equal(f, &plain) : find_words(f, &g, &a);
}

void format_name(const format *f, char name[FORMAT_NAME]) {
    const grain_word *g = NULL;
    const act_word *a = NULL;
    const family *of = f->family;
    if (of->plain || !find_words(f, &g, &a)) {
        snprintf(name, FORMAT_NAME, "%s%s", of->prefix, of->plain ? "" : "?");
        return;
    }
    char bits[4] = "";
    if (spells_bits(of)) snprintf(bits, sizeof bits, "%u", f->bits);
    const bool own = g->grain == GRAIN_BLOCK && g->block == of->block;
    snprintf(name, FORMAT_NAME, "%s%s%s%s%s", of->prefix, bits, f->has_min ? "a" : "", own ? "" : g->text, a->text);
}

/* ---- all ---- */

static bool coded_nth(size_t *left, const family *of, format *out) {
    for (unsigned bits = BITS_MAX; bits > 0; bits--) {
        for (unsigned i = 0; i < 2 * GRAINS; i++) {
            if (combine(out, of, bits, i / GRAINS, &grain_words[i % GRAINS], act_words) && !(*left)--) return true;
        }
    }
    return false;
}

bool format_nth(size_t i, format *out) {
    for (const family *const *f = families; *f; f++) {
        if (!(*f)->plain && coded_nth(&i, *f, out)) return true;
        if ((*f)->plain && !i--) {
            *out = plain_format(*f);
            return true;
        }
    }
    return false;
}

/* ---- help ---- */

static void append(char *text, size_t size, const char *words) {
    const size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", words);
}

static void describe_family(char *text, const family *of) {
    char names[64] = "", line[128];
    for (unsigned bits = BITS_MAX; bits > 0; bits--) {
        char bit[16] = "";
        if (!(of->widths >> bits & 1)) continue;
        snprintf(bit, sizeof bit, spells_bits(of) ? "%s%s%u" : "%s%s", *names ? " " : "", of->prefix, bits);
        append(names, sizeof names, bit);
    }
    snprintf(line, sizeof line, "  %-36s  %s%s\n", names, of->summary, of->minimum ? "; a: with a minimum" : "");
    append(text, FORMAT_GRAMMAR, line);
}

void format_grammar(char text[FORMAT_GRAMMAR]) {
    snprintf(text, FORMAT_GRAMMAR, "Other names are put together in the same way:\n");
    for (const family *const *f = families; *f; f++) {
        if (!(*f)->plain) describe_family(text, *f);
    }
    char grains[64] = "", acts[64] = "", line[256];
    for (size_t i = 0; i < GRAINS; i++) {
        append(grains, sizeof grains, i ? " " : "");
        append(grains, sizeof grains, grain_words[i].text);
    }
    for (size_t i = 1; i < ACTS; i++) {
        append(acts, sizeof acts, i > 1 ? " " : "");
        append(acts, sizeof acts, act_words[i].text);
    }
    snprintf(line, sizeof line,
             "  %-36s  what shares a scale, and a learned codebook\n  %-36s  inputs: a scale for 32, 64 or a token, a fixed one, floats\n", grains,
             acts);
    append(text, FORMAT_GRAMMAR, line);
}
