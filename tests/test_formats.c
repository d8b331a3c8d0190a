/* The formats: names, descriptors, layout and packing. Every test of a format walks them all. */
#include <criterion/criterion.h>
#include <string.h>

#include "encode.h"
#include "quant_formats/format.h"

static format parsed(const char *name) {
    format f;
    error e = {0};
    cr_assert_eq(format_parse(&f, name, &e), OK, "%s", e.text);
    return f;
}

/* A descriptor of the linear family of any width. */
static format linear(uint8_t bits, bool has_min, grain grain_of, uint16_t block) {
    format f = parsed("q8");
    f.bits = bits;
    f.has_min = has_min;
    f.grain = grain_of;
    f.block = block;
    f.act = block == 32 || bits == 8 ? ACT_I8_32 : ACT_I8_64;
    return f;
}

/* ---- names and descriptors ---- */

static const char *const acts[] = {"", "@token", "@static", "@f32", "@b32", "@b64"};
enum { ACTS = sizeof acts / sizeof *acts };

/* Every descriptor, in turn: those of format_nth with all activations that a name can ask for. */
static bool any_format(size_t i, format *f) {
    char name[FORMAT_NAME];
    if (!format_nth(i / ACTS, f)) return false;
    format_name(f, name);
    strcat(name, f->family->plain || (f->block == 32 && i % ACTS == ACTS - 1) ? "" : acts[i % ACTS]);
    *f = parsed(name);
    return true;
}

Test(formats, every_name_spells_its_descriptor) {
    format f, again;
    size_t n = 0;
    for (; any_format(n, &f); n++) {
        char name[FORMAT_NAME];
        uint8_t packed[FORMAT_PACKED];
        cr_expect(format_valid(&f));
        format_name(&f, name);
        again = parsed(name);
        cr_expect(format_equal(&f, &again), "%s", name);
        format_pack(&f, packed);
        cr_expect_eq(format_unpack(&again, packed, NULL), OK, "%s", name);
        cr_expect(format_equal(&f, &again), "%s", name);
    }
    cr_expect_eq(n, ACTS * (3 + 6 * 2 * 5 + 3 * 6 + 3 * 5));
}

Test(formats, no_descriptor_comes_twice) {
    format a, b;
    for (size_t i = 0; format_nth(i, &a); i++) {
        for (size_t j = 0; j < i && format_nth(j, &b); j++) cr_expect_not(format_equal(&a, &b));
    }
}

Test(formats, advertised_names_are_canonical) {
    for (const format_entry *entry = format_list; entry->name; entry++) {
        char name[FORMAT_NAME];
        const format f = parsed(entry->name);
        format_name(&f, name);
        cr_expect_str_eq(name, entry->name);
        cr_expect_gt(strlen(entry->summary), 5);
    }
}

Test(formats, names_are_put_together) {
    static const struct {
        const char *name;
        format f;
    } names[] = {
        {"q3a-b128@token", {.bits = 3, .has_min = true, .grain = GRAIN_BLOCK, .block = 128, .act = ACT_TOKEN_64}},
        {"q8-b32@static", {.bits = 8, .grain = GRAIN_BLOCK, .block = 32, .act = ACT_STATIC_32}},
        {"q8", {.bits = 8, .grain = GRAIN_BLOCK, .block = 64, .act = ACT_I8_32}},
        {"q8-row", {.bits = 8, .grain = GRAIN_ROW, .act = ACT_I8_32}},
        {"q8a@b64", {.bits = 8, .has_min = true, .grain = GRAIN_BLOCK, .block = 64, .act = ACT_I8_64}},
        {"q4@b32", {.bits = 4, .grain = GRAIN_BLOCK, .block = 64, .act = ACT_I8_32}},
        {"q5-row@f32", {.bits = 5, .grain = GRAIN_ROW, .act = ACT_F32}},
        {"km3-group", {.bits = 3, .grain = GRAIN_ROW, .scope = SCOPE_GROUP, .act = ACT_I8_64}},
        {"km2-row", {.bits = 2, .grain = GRAIN_ROW, .scope = SCOPE_ROW, .act = ACT_I8_64}},
        {"km4-tensor", {.bits = 4, .grain = GRAIN_TENSOR, .scope = SCOPE_TENSOR, .act = ACT_I8_64}},
        {"ternary", {.bits = 2, .grain = GRAIN_BLOCK, .block = 64, .act = ACT_I8_64}},
        {"ternary5", {.bits = 2, .grain = GRAIN_BLOCK, .block = 128, .act = ACT_I8_64}},
        {"ternary5-b64", {.bits = 2, .grain = GRAIN_BLOCK, .block = 64, .act = ACT_I8_64}},
        {"binary-b32", {.bits = 1, .grain = GRAIN_BLOCK, .block = 32, .act = ACT_I8_32}},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const format f = parsed(names[i].name);
        format wanted = names[i].f;
        wanted.family = f.family;
        cr_expect(format_equal(&f, &wanted), "%s", names[i].name);
    }
    const char *const twice[][2] = {{"q4", "q4-b64"}, {"q4", "q4@b64"}, {"q8", "q8@b32"}, {"q4-b32", "q4-b32@b32"}};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        const format f = parsed(twice[i][0]), same = parsed(twice[i][1]);
        cr_expect(format_equal(&f, &same), "%s", twice[i][1]);
    }
}

Test(formats, names_may_be_typed_in_capitals) {
    const format f = parsed("Q4A-B32"), same = parsed("q4a-b32");
    cr_expect(format_equal(&f, &same));
}

Test(formats, unknown_name_suggests_the_nearest) {
    const char *const typed[][2] = {{"q44", "'q4'"},
                                    {"mk4", "'km4'"},
                                    {"q4-b23", "'q4-b32'"},
                                    {"bf61", "'bf16'"},
                                    {"quite unlike", "known are f32 f16"},
                                    {"", "known"},
                                    {"q4-group", "'q4"},
                                    {"km4a", "'km4'"},
                                    {"q7", "'q"},
                                    {"q4@tokn", "'q4@token'"},
                                    {"ternery5", "'ternary5'"},
                                    {"q4-b32@b64", "'q4-b32@"},

                                    {"q1", "'q"}};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        format f;
        error e = {0};
        cr_expect_eq(format_parse(&f, typed[i][0], &e), E_USAGE);
        cr_expect(strstr(e.text, typed[i][1]), "%s: %s", typed[i][0], e.text);
    }
}

Test(formats, a_damaged_descriptor_is_refused_or_is_another_known_one) {
    format f, other;
    for (size_t n = 0; any_format(n, &f); n++) {
        for (size_t i = 0; i < FORMAT_PACKED * 255; i++) {
            uint8_t packed[FORMAT_PACKED], again[FORMAT_PACKED];
            format_pack(&f, packed);
            packed[i / 255] ^= (uint8_t)(i % 255 + 1);
            error e = {0};
            if (format_unpack(&other, packed, &e) != OK) {
                cr_assert(e.code == E_FILE && strstr(e.text, "unknown weight format"), "%s", e.text);
                continue;
            }
            char name[FORMAT_NAME];
            format_name(&other, name);
            const format known = parsed(name);
            format_pack(&known, again);
            cr_assert_arr_eq(again, packed, sizeof packed, "%s", name);
        }
    }
}

/* ---- layout and packing ---- */

Test(formats, parts_are_aligned_and_sizes_add_up) {
    const size_t shapes[][2] = {{1, 1}, {16, 64}, {17, 65}, {172, 172}, {4096, 11008}};
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            layout l;
            cr_assert(format_layout(&f, shapes[i][0], shapes[i][1], &l));
            cr_expect_eq(l.head, 0);
            cr_expect_eq(l.codes % 64 + l.side % 64 + l.bytes % 64, 0);
            cr_expect_geq(l.codes, l.groups * l.group_head);
            cr_expect_eq(l.groups, (shapes[i][0] + 15) / 16);
            cr_expect_eq(l.tiles, (shapes[i][1] + 63) / 64);
            cr_expect_eq(l.tile_codes, f.family->packing ? f.family->packing->tile_bytes : 128u * f.bits);
            cr_expect_eq(l.side - l.codes, (l.groups * l.tiles * l.tile_codes + 63) / 64 * 64);
            cr_expect_geq(l.bytes, l.side + l.groups * l.group_side);
            cr_expect_leq(l.bytes, l.side + l.groups * l.group_side + 64);
        }
    }
    const format q4 = parsed("q4"), q4a = parsed("q4a-b32");
    cr_expect_float_eq(format_bits(&q4, 4096, 4096), 4.25, 1e-9);
    cr_expect_float_eq(format_bits(&q4a, 4096, 4096), 5.0, 1e-9);
    const format packed = parsed("ternary5"), binary = parsed("binary"), rows = parsed("km4-row");
    cr_expect_float_eq(format_bits(&packed, 4096, 4096), 1.75, 1e-9);
    cr_expect_float_eq(format_bits(&binary, 4096, 4096), 1.25, 1e-9);
    cr_expect_float_eq(format_bits(&rows, 4096, 4096), 4 + (16 * 8 + 32) / 4096.0, 1e-9);
}

Test(formats, impossible_shapes_have_no_layout) {
    const uint64_t shapes[][2] = {{0, 64},        {64, 0}, {UINT64_MAX, 1}, {1, UINT64_MAX}, {1ull << 32, 1ull << 32}, {UINT64_MAX / 64, 64},
                                  {1ull << 58, 1}};
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            layout l;
            cr_expect_not(format_layout(&f, shapes[i][0], shapes[i][1], &l), "%zu", i);
        }
    }
}

/* The place of a code as the header of format.h describes it, plane by plane. */
static unsigned code_by_definition(const uint8_t *tile, const unsigned *planes, unsigned r, unsigned k) {
    unsigned code = 0, low = 0;
    for (; *planes; planes++) {
        const unsigned p = *planes;
        for (unsigned c = 0; c < 2 * p; c++) {
            for (unsigned j = 0; j < 8 / p; j++) {
                for (unsigned i = 0; i < 4; i++) {
                    if ((c * (8 / p) + j) * 4 + i == k) code |= (tile[(c * 16 + r) * 4 + i] >> j * p & ((1u << p) - 1)) << low;
                }
            }
        }
        tile += 2 * p * 64;
        low += p;
    }
    return code;
}

Test(formats, codes_lie_where_the_header_says_for_every_width) {
    static const struct {
        uint8_t bits;
        unsigned planes[3];
    } widths[] = {{1, {1}}, {2, {2}}, {3, {2, 1}}, {4, {4}}, {5, {4, 1}}, {6, {4, 2}}, {8, {8}}};
    uint64_t seed = 5;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        const format f = linear(widths[w].bits, false, GRAIN_BLOCK, 64);
        uint8_t codes[TILE_ROWS][TILE_K], tile[1024];
        for (size_t i = 0; i < sizeof codes; i++)
            codes[i / TILE_K][i % TILE_K] = (uint8_t)((int)(random_uniform(&seed) * 4096) & ((1 << f.bits) - 1));
        memset(tile, 0xaa, sizeof tile);
        tile_pack(&f, (const uint8_t(*)[TILE_K])codes, tile);
        for (unsigned r = 0; r < TILE_ROWS; r++) {
            for (unsigned k = 0; k < TILE_K; k++) {
                cr_expect_eq(tile_code(&f, tile, r, k), codes[r][k], "%u bits", f.bits);
                cr_expect_eq(code_by_definition(tile, widths[w].planes, r, k), codes[r][k], "%u bits", f.bits);
            }
        }
        for (size_t i = 128u * f.bits; i < sizeof tile; i++) cr_expect_eq(tile[i], 0xaa, "%u bits write past the tile", f.bits);
    }
}

/* Five codes in a byte, as the header of format.h describes it: all values of all bytes, and where they lie. */
Test(formats, packed_ternary_codes_are_fractions_in_base_three) {
    const format f = parsed("ternary5");
    uint8_t codes[TILE_ROWS][TILE_K], tile[208];
    cr_assert_eq(f.family->packing->tile_bytes, sizeof tile);
    for (unsigned first = 0; first < 243; first++) {
        for (unsigned r = 0; r < TILE_ROWS; r++) {
            for (unsigned k = 0; k < TILE_K; k++) {
                unsigned n = (first + r * 17 + k % 4 * 5 + k / 20 * 29) % 243; /* of the byte: its digits are codes of k / 4 % 5 = 0 .. 4 */
                for (unsigned j = k / 4 % 5; j < 4; j++) n /= 3;
                codes[r][k] = (uint8_t)(n % 3);
            }
        }
        tile_pack(&f, (const uint8_t(*)[TILE_K])codes, tile);
        for (unsigned r = 0; r < TILE_ROWS; r++) {
            for (unsigned c = 0; c < 3; c++) {
                for (unsigned i = 0; i < 4; i++) {
                    const unsigned n = (first + r * 17 + i * 5 + c * 29) % 243;
                    cr_assert_eq(tile[c * 64 + r * 4 + i], (n * 256 + 242) / 243);
                }
            }
            cr_assert_eq(tile[192 + r], codes[r][60] | codes[r][61] << 2 | codes[r][62] << 4 | codes[r][63] << 6);
            for (unsigned k = 0; k < TILE_K; k++) cr_assert_eq(tile_code(&f, tile, r, k), codes[r][k], "row %u, %u", r, k);
        }
    }
}

Test(formats, kernels_see_codes_and_not_families) {
    static const struct {
        const char *name;
        code_view view;
    } views[] = {
        {"q8", {.bits = 8, .zero = 128}},
        {"q3", {.bits = 3, .zero = 4}},
        {"q3a", {.bits = 3, .zero = 0}},
        {"km3", {.bits = 3, .book = BOOK_SHARED}},
        {"km3-tensor", {.bits = 3, .book = BOOK_SHARED}},
        {"km3-group", {.bits = 3, .book = BOOK_SHARED}},
        {"km3-row", {.bits = 3, .book = BOOK_ROW}},
        {"ternary", {.bits = 2, .zero = 1}},
        {"ternary5", {.bits = 2, .zero = 1}},
        {"binary", {.bits = 1, .book = BOOK_SHARED}},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        const format f = parsed(views[i].name);
        const code_view got = format_codes(&f), wanted = views[i].view;
        cr_expect(got.bits == wanted.bits && got.zero == wanted.zero && got.book == wanted.book, "%s", views[i].name);
        cr_expect_eq(got.packing != NULL, i == 8);
        cr_expect_eq(got.levels != NULL, i == 9);
    }
}
