#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/nearest.h"
#include "format.h"

/* <prefix><bits>[a][suffix]; a plain family is its prefix alone. */
typedef struct suffix {
    const char *text;
    grain grain;
    uint16_t block;
    scope scope; /* of the codebook, for families that have one */
    act_code act;
} suffix;

static const suffix suffixes[] = {
    {"", GRAIN_BLOCK, 64, SCOPE_TENSOR, ACT_I8_64},       {"-b32", GRAIN_BLOCK, 32, SCOPE_TENSOR, ACT_I8_32},
    {"-b128", GRAIN_BLOCK, 128, SCOPE_TENSOR, ACT_I8_64}, {"-row", GRAIN_ROW, 0, SCOPE_ROW, ACT_I8_64},
    {"-group", GRAIN_ROW, 0, SCOPE_GROUP, ACT_I8_64},     {"-tensor", GRAIN_TENSOR, 0, SCOPE_TENSOR, ACT_I8_64},
};
enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };

static format spelled(const family *of, uint8_t bits, bool has_min, const suffix *s) {
    return (format){of, bits, has_min, s->grain, s->block, of->learn ? s->scope : SCOPE_NONE, s->act};
}

static bool spell_plain(format *out, const family *of, const char *name) {
    if (strcasecmp(name, of->prefix) != 0) return false;
    *out = (format){.family = of, .bits = of->plain_bits, .grain = GRAIN_NONE, .scope = SCOPE_NONE, .act = ACT_F32};
    return true;
}

static bool spell_coded(format *out, const family *of, const char *name) {
    const size_t length = strlen(of->prefix);
    if (strncasecmp(name, of->prefix, length) != 0 || !isdigit((unsigned char)name[length])) return false;
    const uint8_t bits = (uint8_t)(name[length] - '0');
    const char *rest = name + length + 1;
    const bool has_min = *rest == 'a' || *rest == 'A';
    rest += has_min;
    for (size_t i = 0; i < SUFFIXES; i++) {
        if (strcasecmp(rest, suffixes[i].text) != 0) continue;
        *out = spelled(of, bits, has_min, &suffixes[i]);
        return of->valid(out);
    }
    return false;
}

static bool spell(format *out, const char *name) {
    for (const family *const *f = families; *f; f++) {
        if ((*f)->plain ? spell_plain(out, *f, name) : spell_coded(out, *f, name)) return true;
    }
    return false;
}

status format_parse(format *out, const char *name, error *e) {
    nearest near = {.word = name};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        if (!strcasecmp(entry->name, name) && spell(out, name)) return OK;
        nearest_offer(&near, entry->name);
    }
    if (near.best) return fail(e, E_USAGE, "unknown format '%s'; did you mean '%s'?", name, near.best);
    char known[256] = "";
    for (const format_entry *entry = format_list; entry->name; entry++) {
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", entry->name);
    }
    return fail(e, E_USAGE, "unknown format '%s'; known are%s", name, known);
}

void format_name(const format *f, char name[FORMAT_NAME]) {
    if (f->family->plain) {
        snprintf(name, FORMAT_NAME, "%s", f->family->prefix);
        return;
    }
    for (size_t i = 0; i < SUFFIXES; i++) {
        const format same = spelled(f->family, f->bits, f->has_min, &suffixes[i]);
        if (!format_equal(f, &same)) continue;
        snprintf(name, FORMAT_NAME, "%s%u%s%s", f->family->prefix, f->bits, f->has_min ? "a" : "", suffixes[i].text);
        return;
    }
    snprintf(name, FORMAT_NAME, "%s%u?", f->family->prefix, f->bits);
}
