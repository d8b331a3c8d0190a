/* Upper and lower case as Python's str has them: Unicode's full mappings, the final sigma, titles by word. */
#include <utf8proc.h>

#include "text/jinja_value.h"
#include "text/unicode.h"

/* Characters whose upper case is several (Unicode's SpecialCasing.txt, without the rules for languages). */
static const struct special {
    uint32_t from, upper[3];
} specials[] = {
    {0x00df, {0x0053, 0x0053}},         {0x0149, {0x02bc, 0x004e}},         {0x01f0, {0x004a, 0x030c}},         {0x0390, {0x0399, 0x0308, 0x0301}},
    {0x03b0, {0x03a5, 0x0308, 0x0301}}, {0x0587, {0x0535, 0x0552}},         {0x1e96, {0x0048, 0x0331}},         {0x1e97, {0x0054, 0x0308}},
    {0x1e98, {0x0057, 0x030a}},         {0x1e99, {0x0059, 0x030a}},         {0x1e9a, {0x0041, 0x02be}},         {0x1f50, {0x03a5, 0x0313}},
    {0x1f52, {0x03a5, 0x0313, 0x0300}}, {0x1f54, {0x03a5, 0x0313, 0x0301}}, {0x1f56, {0x03a5, 0x0313, 0x0342}}, {0x1f80, {0x1f08, 0x0399}},
    {0x1f81, {0x1f09, 0x0399}},         {0x1f82, {0x1f0a, 0x0399}},         {0x1f83, {0x1f0b, 0x0399}},         {0x1f84, {0x1f0c, 0x0399}},
    {0x1f85, {0x1f0d, 0x0399}},         {0x1f86, {0x1f0e, 0x0399}},         {0x1f87, {0x1f0f, 0x0399}},         {0x1f88, {0x1f08, 0x0399}},
    {0x1f89, {0x1f09, 0x0399}},         {0x1f8a, {0x1f0a, 0x0399}},         {0x1f8b, {0x1f0b, 0x0399}},         {0x1f8c, {0x1f0c, 0x0399}},
    {0x1f8d, {0x1f0d, 0x0399}},         {0x1f8e, {0x1f0e, 0x0399}},         {0x1f8f, {0x1f0f, 0x0399}},         {0x1f90, {0x1f28, 0x0399}},
    {0x1f91, {0x1f29, 0x0399}},         {0x1f92, {0x1f2a, 0x0399}},         {0x1f93, {0x1f2b, 0x0399}},         {0x1f94, {0x1f2c, 0x0399}},
    {0x1f95, {0x1f2d, 0x0399}},         {0x1f96, {0x1f2e, 0x0399}},         {0x1f97, {0x1f2f, 0x0399}},         {0x1f98, {0x1f28, 0x0399}},
    {0x1f99, {0x1f29, 0x0399}},         {0x1f9a, {0x1f2a, 0x0399}},         {0x1f9b, {0x1f2b, 0x0399}},         {0x1f9c, {0x1f2c, 0x0399}},
    {0x1f9d, {0x1f2d, 0x0399}},         {0x1f9e, {0x1f2e, 0x0399}},         {0x1f9f, {0x1f2f, 0x0399}},         {0x1fa0, {0x1f68, 0x0399}},
    {0x1fa1, {0x1f69, 0x0399}},         {0x1fa2, {0x1f6a, 0x0399}},         {0x1fa3, {0x1f6b, 0x0399}},         {0x1fa4, {0x1f6c, 0x0399}},
    {0x1fa5, {0x1f6d, 0x0399}},         {0x1fa6, {0x1f6e, 0x0399}},         {0x1fa7, {0x1f6f, 0x0399}},         {0x1fa8, {0x1f68, 0x0399}},
    {0x1fa9, {0x1f69, 0x0399}},         {0x1faa, {0x1f6a, 0x0399}},         {0x1fab, {0x1f6b, 0x0399}},         {0x1fac, {0x1f6c, 0x0399}},
    {0x1fad, {0x1f6d, 0x0399}},         {0x1fae, {0x1f6e, 0x0399}},         {0x1faf, {0x1f6f, 0x0399}},         {0x1fb2, {0x1fba, 0x0399}},
    {0x1fb3, {0x0391, 0x0399}},         {0x1fb4, {0x0386, 0x0399}},         {0x1fb6, {0x0391, 0x0342}},         {0x1fb7, {0x0391, 0x0342, 0x0399}},
    {0x1fbc, {0x0391, 0x0399}},         {0x1fc2, {0x1fca, 0x0399}},         {0x1fc3, {0x0397, 0x0399}},         {0x1fc4, {0x0389, 0x0399}},
    {0x1fc6, {0x0397, 0x0342}},         {0x1fc7, {0x0397, 0x0342, 0x0399}}, {0x1fcc, {0x0397, 0x0399}},         {0x1fd2, {0x0399, 0x0308, 0x0300}},
    {0x1fd3, {0x0399, 0x0308, 0x0301}}, {0x1fd6, {0x0399, 0x0342}},         {0x1fd7, {0x0399, 0x0308, 0x0342}}, {0x1fe2, {0x03a5, 0x0308, 0x0300}},
    {0x1fe3, {0x03a5, 0x0308, 0x0301}}, {0x1fe4, {0x03a1, 0x0313}},         {0x1fe6, {0x03a5, 0x0342}},         {0x1fe7, {0x03a5, 0x0308, 0x0342}},
    {0x1ff2, {0x1ffa, 0x0399}},         {0x1ff3, {0x03a9, 0x0399}},         {0x1ff4, {0x038f, 0x0399}},         {0x1ff6, {0x03a9, 0x0342}},
    {0x1ff7, {0x03a9, 0x0342, 0x0399}}, {0x1ffc, {0x03a9, 0x0399}},         {0xfb00, {0x0046, 0x0046}},         {0xfb01, {0x0046, 0x0049}},
    {0xfb02, {0x0046, 0x004c}},         {0xfb03, {0x0046, 0x0046, 0x0049}}, {0xfb04, {0x0046, 0x0046, 0x004c}}, {0xfb05, {0x0053, 0x0054}},
    {0xfb06, {0x0053, 0x0054}},         {0xfb13, {0x0544, 0x0546}},         {0xfb14, {0x0544, 0x0535}},         {0xfb15, {0x0544, 0x053b}},
    {0xfb16, {0x054e, 0x0546}},         {0xfb17, {0x0544, 0x053d}},
};

static const struct special *special_of(uint32_t c) {
    size_t low = 0, high = sizeof specials / sizeof *specials;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (specials[middle].from < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sizeof specials / sizeof *specials && specials[low].from == c ? &specials[low] : NULL;
}

static uint32_t lower_of(uint32_t c) {
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

static uint32_t upper_of(uint32_t c) {
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}

static uint32_t title_of(uint32_t c) {
    return (uint32_t)utf8proc_totitle((utf8proc_int32_t)c);
}

/* Circled letters and roman numerals have a case, but are no letters. */
static bool other_cased(uint32_t c) {
    return (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9);
}

bool letter_is_upper(letter l) {
    const uint32_t c = l & LETTER_POINT;
    const char *k = unicode_category(c);
    return (k[0] == 'L' && k[1] == 'u') || (other_cased(c) && lower_of(c) != c) || (c >= 0x1f130 && c <= 0x1f189 && k[0] == 'S');
}

bool letter_is_lower(letter l) {
    const uint32_t c = l & LETTER_POINT;
    const char *k = unicode_category(c);
    return (k[0] == 'L' && k[1] == 'l') || c == 0xaa || c == 0xba || (other_cased(c) && upper_of(c) != c);
}

bool letter_is_cased(letter l) {
    const char *k = unicode_category(l & LETTER_POINT);
    return (k[0] == 'L' && k[1] == 't') || letter_is_upper(l) || letter_is_lower(l);
}

/* Characters that a word's case goes across. */
static bool ignorable(letter l) {
    const uint32_t c = l & LETTER_POINT;
    const char *k = unicode_category(c);
    if (c < 0x80) return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`';
    return (k[0] == 'M' && k[1] != 'c') || !strcmp(k, "Cf") || !strcmp(k, "Lm") || !strcmp(k, "Sk") || c == 0xb7 || c == 0x2018 || c == 0x2019 ||
           c == 0x2024 || c == 0x2027;
}

/* A capital sigma at the end of a word has a lower case of its own. */
static bool final_sigma(value s, size_t at) {
    size_t before = at, after = at + 1;
    while (before > 0 && ignorable(s.text[before - 1])) before--;
    if (before == 0 || !letter_is_cased(s.text[before - 1])) return false;
    while (after < s.n && ignorable(s.text[after])) after++;
    return after == s.n || !letter_is_cased(s.text[after]);
}

static status put_lower(run *x, writer *t, value s, size_t at) {
    const uint32_t c = s.text[at] & LETTER_POINT, from = s.text[at] & LETTER_DATA;
    if (c == 0x3a3) return text_put_one(x, t, (final_sigma(s, at) ? 0x3c2 : 0x3c3) | from);
    if (c != 0x130) return text_put_one(x, t, lower_of(c) | from);
    TRY(text_put_one(x, t, 'i' | from));
    return text_put_one(x, t, 0x307 | from);
}

static status put_upper(run *x, writer *t, value s, size_t at) {
    const uint32_t c = s.text[at] & LETTER_POINT, from = s.text[at] & LETTER_DATA;
    const struct special *k = special_of(c);
    if (!k) return text_put_one(x, t, upper_of(c) | from);
    for (size_t i = 0; i < 3 && k->upper[i]; i++) TRY(text_put_one(x, t, k->upper[i] | from));
    return OK;
}

static status put_title(run *x, writer *t, value s, size_t at) {
    const uint32_t c = s.text[at] & LETTER_POINT, from = s.text[at] & LETTER_DATA;
    const struct special *k = special_of(c);
    if (!k || title_of(c) != upper_of(c)) return text_put_one(x, t, title_of(c) | from);
    for (size_t i = 0; i < 3 && k->upper[i]; i++) TRY(text_put_one(x, t, (i ? lower_of(k->upper[i]) : k->upper[i]) | from));
    return OK;
}

static status put_folded(run *x, writer *t, value s, size_t at) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    const letter from = s.text[at] & LETTER_DATA;
    const utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)(s.text[at] & LETTER_POINT), folded, 8, UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < n && i < 8; i++) TRY(text_put_one(x, t, (letter)folded[i] | from));
    return OK;
}

static status put_swapped(run *x, writer *t, value s, size_t at) {
    if (letter_is_upper(s.text[at])) return put_lower(x, t, s, at);
    return letter_is_lower(s.text[at]) ? put_upper(x, t, s, at) : text_put_one(x, t, s.text[at]);
}

static status put_title_word(run *x, writer *t, value s, size_t at) {
    return at > 0 && letter_is_cased(s.text[at - 1]) ? put_lower(x, t, s, at) : put_title(x, t, s, at);
}

static status put_capital(run *x, writer *t, value s, size_t at) {
    return at > 0 ? put_lower(x, t, s, at) : put_title(x, t, s, at);
}

static status (*const put_as[])(run *, writer *, value, size_t) = {
    [CASE_UPPER] = put_upper,  [CASE_LOWER] = put_lower, [CASE_TITLE] = put_title_word,
    [CASE_SWAP] = put_swapped, [CASE_FOLD] = put_folded, [CASE_CAPITAL] = put_capital,
};

status text_case(run *x, value s, letter_case to, value *out) {
    writer t = {0};
    TRY(run_spend(x, s.n / 4));
    for (size_t i = 0; i < s.n; i++) TRY(put_as[to](x, &t, s, i));
    *out = text_value(&t);
    out->markup = s.markup;
    return OK;
}
