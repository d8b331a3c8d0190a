/* Texts of which parts come from outside: the ids are those of the whole text, but no special token touches such a part. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "load_tokenizer.h"

/* Parts from outside stand between `{` and `}`. */
static id_list mixed(const tokenizer *t, const char *marked) {
    char text[200];
    text_range data[8] = {{0}};
    size_t n = 0, bytes = 0;
    for (const char *c = marked; *c; c++) {
        if (*c == '{') {
            data[n].begin = bytes;
        } else if (*c == '}') {
            data[n++].end = bytes;
        } else {
            text[bytes++] = *c;
        }
    }
    id_list ids = {0};
    error e = {0};
    cr_assert_eq(tokenizer_encode_mixed(t, text, bytes, data, n, &ids, &e), OK, "%s", e.text);
    return ids;
}

static void expect_same(const tokenizer *t, const char *marked, const char *text, unsigned flags) {
    id_list got = mixed(t, marked), want = encode_text(t, text, strlen(text), flags);
    cr_expect(got.n == want.n && !memcmp(got.ids, want.ids, got.n * sizeof *got.ids), "%s", marked);
    free(got.ids);
    free(want.ids);
}

static size_t count(const tokenizer *t, const char *marked, const char *token) {
    const int32_t id = tokenizer_id(t, token);
    id_list ids = mixed(t, marked);
    size_t n = 0;
    cr_assert_geq(id, 0);
    for (size_t i = 0; i < ids.n; i++) n += ids.ids[i] == id;
    free(ids.ids);
    return n;
}

#define END "<|endoftext|>"

Test(mixed, special_tokens_of_the_template_alone) {
    loaded l;
    cr_assert(load_tokenizer(&l, "models/demo"));
    expect_same(l.t, END "user: {Once upon a time}\n", END "user: Once upon a time\n", 0);
    expect_same(l.t, "a{" END "}b", "a" END "b", ENCODE_LITERAL);
    cr_expect_eq(count(l.t, END "{" END "}" END, END), 2);
    cr_expect_eq(count(l.t, "<|endof{text}|>", END), 0);
    cr_expect_eq(count(l.t, "{<|}endoftext|>", END), 0);
    cr_expect_eq(count(l.t, "<|endoftext|{>}", END), 0);
    cr_expect_eq(count(l.t, "{x}" END "{y}", END), 1);
    cr_expect_eq(count(l.t, "{}" END "{}", END), 1, "an empty part touches nothing");
    unload_tokenizer(&l);
}

/* Words are cut as in the whole text: a template's space belongs to the word of a message. */
Test(mixed, parts_are_no_borders) {
    loaded l;
    cr_assert(load_tokenizer(&l, "models/demo"));
    expect_same(l.t, "Once upon {a time}, there {was}", "Once upon a time, there was", 0);
    expect_same(l.t, "On{ce} up{on}", "Once upon", 0);
    unload_tokenizer(&l);
}

Test(mixed, what_is_out_of_place_is_refused) {
    loaded l;
    id_list ids = {0};
    const text_range beyond = {0, 9}, turned = {3, 1}, overlapping[] = {{0, 3}, {2, 4}};
    cr_assert(load_tokenizer(&l, "models/demo"));
    cr_expect_eq(tokenizer_encode_mixed(l.t, "abcd", 4, &beyond, 1, &ids, NULL), E_RUN);
    cr_expect_eq(tokenizer_encode_mixed(l.t, "abcd", 4, &turned, 1, &ids, NULL), E_RUN);
    cr_expect_eq(tokenizer_encode_mixed(l.t, "abcd", 4, overlapping, 2, &ids, NULL), E_RUN);
    cr_expect_eq(tokenizer_encode_mixed(l.t, "ab\xff", 3, NULL, 0, &ids, NULL), E_RUN);
    cr_expect_eq(tokenizer_encode_mixed(l.t, "", 0, NULL, 0, &ids, NULL), OK);
    cr_expect_eq(ids.n, 0);
    unload_tokenizer(&l);
    free(ids.ids);
}

/* Tokens that are looked for after normalization: what comes from outside is encoded by itself. */
Test(mixed, special_tokens_after_normalization) {
    static const char json[] =
        "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [{\"id\": 4, \"content\": \"<x>\", \"single_word\": "
        "false, \"lstrip\": "
        "false, \"rstrip\": false, \"normalized\": true, \"special\": true}], \"normalizer\": {\"type\": \"Lowercase\"}, \"pre_tokenizer\": null, "
        "\"post_processor\": null, \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
        "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, \"vocab\": {\"a\": 0, "
        "\"<\": 1, "
        "\"x\": 2, \">\": 3}, \"merges\": []}}";
    loaded l;
    compile_tokenizer(&l, json, NULL);
    cr_expect_eq(count(l.t, "<x>a<X>", "<x>"), 2);
    cr_expect_eq(count(l.t, "<x>{a<x>A}<X>", "<x>"), 2);
    cr_expect_eq(count(l.t, "{<X>}", "<x>"), 0);
    cr_expect_eq(count(l.t, "<{x}>", "<x>"), 0);
    cr_expect_eq(count(l.t, "{a}<x>{<x>}{a}<x>", "<x>"), 2);
    id_list ids = mixed(l.t, "<x>{a<x>A}");
    cr_expect(ids_are(&ids, (const int32_t[]){4, 0, 1, 2, 3, 0, -1}));
    free(ids.ids);
    unload_tokenizer(&l);
}
