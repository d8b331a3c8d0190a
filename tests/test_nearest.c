#include "base/nearest.h"

#include <criterion/criterion.h>

static const char *nearest_of(const char *word, const char *const *known) {
    nearest n = {.word = word};
    for (; *known; known++) nearest_offer(&n, *known);
    return n.best;
}

static const char *const names[] = {"threads", "temp", "top-k", "top-p", "seed", "repeat-penalty", "c", NULL};

Test(nearest, finds_a_typing_error) {
    cr_assert_str_eq(nearest_of("thraeds", names), "threads"); /* swapped */
    cr_assert_str_eq(nearest_of("tmep", names), "temp");
    cr_assert_str_eq(nearest_of("threds", names), "threads");                /* left out */
    cr_assert_str_eq(nearest_of("seeed", names), "seed");                    /* doubled */
    cr_assert_str_eq(nearest_of("repeat_penalty", names), "repeat-penalty"); /* replaced */
}

Test(nearest, finds_a_word_by_its_beginning) {
    cr_assert_str_eq(nearest_of("repeat", names), "repeat-penalty");
    cr_assert_str_eq(nearest_of("thr", names), "threads");
}

Test(nearest, finds_the_beginning_of_a_word) {
    static const char *const formats[] = {"f16", "q8", "q4", "q4-b32", "q4a", NULL};
    cr_assert_str_eq(nearest_of("q4_0", formats), "q4");
    cr_assert_str_eq(nearest_of("Q4_K_M", formats), "q4");
    cr_assert_str_eq(nearest_of("Q8_0", formats), "q8");
    cr_assert_str_eq(nearest_of("q4a_1", formats), "q4a");
    cr_assert_str_eq(nearest_of("temperature-of-it", names), "temp");
    cr_assert_null(nearest_of("cold", names)); /* one letter says nothing */
}

Test(nearest, says_nothing_about_a_word_that_is_far_from_all) {
    cr_assert_null(nearest_of("quantize", names));
    cr_assert_null(nearest_of("", names));
    cr_assert_null(nearest_of("x", names));
    cr_assert_null(nearest_of("xy", names));
}

Test(nearest, the_first_of_equals_stays) {
    cr_assert_str_eq(nearest_of("top-q", names), "top-k");
    cr_assert_str_eq(nearest_of("top-p", names), "top-p");
}

Test(nearest, takes_words_of_any_length) {
    char endless[1000];
    for (size_t i = 0; i + 1 < sizeof endless; i++) endless[i] = 't';
    endless[sizeof endless - 1] = 0;
    cr_assert_null(nearest_of(endless, names));
    const char *const only[] = {endless, NULL};
    cr_assert_null(nearest_of("threads", only));
}
