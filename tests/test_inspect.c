#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "small_qbin.h"

/* The real program on a small file. */

static char printed[1 << 16];

/* Runs `inspect ARGUMENTS`, fills `printed` with stdout and stderr, returns the exit code. */
static int inspect(const char *arguments) {
    const char *folder = getenv("BIN");
    char command[1024];
    snprintf(command, sizeof command, "'%s/inspect' %s 2>&1", folder ? folder : "build/bin", arguments);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    printed[fread(printed, 1, sizeof printed - 1, f)] = 0;
    return WEXITSTATUS(pclose(f));
}

static int inspect_file(const char *option, const char *path) {
    char arguments[768];
    snprintf(arguments, sizeof arguments, "%s '%s'", option, path);
    return inspect(arguments);
}

TestSuite(inspect, .init = folder_open, .fini = folder_close);

Test(inspect, the_text_names_everything) {
    cr_assert_eq(inspect_file("", small_made()), 0, "%s", printed);
    const char *const wanted[] = {"version 1",
                                  "architecture     llama",
                                  "attention_scale  0.5",
                                  "rope             half",
                                  "eos              2",
                                  "embed       q4",
                                  "9 x 70",
                                  "0.25",
                                  "final_norm  f32",
                                  "totals",
                                  "bits per weight of the whole file"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) cr_assert(strstr(printed, wanted[i]), "no '%s' in:\n%s", wanted[i], printed);
    cr_assert_not(strstr(printed, "\n  window "), "what is as usual is not said:\n%s", printed);
}

Test(inspect, the_json_is_one_object) {
    const char *path = small_made();
    size_t bytes;
    free(file_read(path, &bytes));
    cr_assert_eq(inspect_file("--json --verify", path), 0, "%s", printed);
    json_t *all = json_loads(printed, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(all, "%s", printed);
    cr_assert_eq(json_integer_value(json_object_get(all, "file_bytes")), (json_int_t)bytes);
    cr_assert(json_is_true(json_object_get(all, "verified")));
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(json_object_get(all, "metadata"), "spec"), "layers")), 2);
    const json_t *tensors = json_object_get(all, "tensors"), *embed = json_array_get(tensors, 1);
    cr_assert_eq(json_array_size(tensors), SMALL_TENSORS);
    cr_assert_str_eq(json_string_value(json_object_get(embed, "name")), "embed");
    cr_assert_str_eq(json_string_value(json_object_get(embed, "format")), "q4");
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(embed, "shape"), 1)), 70);
    cr_assert_eq(json_real_value(json_object_get(embed, "error")), 0.25);
    const json_t *total = json_object_get(all, "total");
    cr_assert_eq(json_integer_value(json_object_get(total, "weights")), 3 + 9 * 70 + 2 * 5);
    cr_assert_float_eq(json_real_value(json_object_get(total, "bits_per_weight")), 8.0 * (12 + 1088 + 2048) / 643, 1e-9);
    json_decref(all);
}

Test(inspect, verify_says_ok_or_ends_with_3) {
    const char *path = small_made();
    cr_assert_eq(inspect_file("--verify", path), 0, "%s", printed);
    cr_assert(strstr(printed, "model.qbin: OK\n"), "%s", printed);
    size_t bytes;
    uint8_t *file = file_read(path, &bytes);
    file[bytes - 1] ^= 0x10;
    file_write(path, file, bytes);
    free(file);
    cr_assert_eq(inspect_file("", path), 0, "%s", printed);
    cr_assert_eq(inspect_file("--verify", path), 3, "%s", printed);
    cr_assert(strstr(printed, "error: ") == printed && strstr(printed, "tensor 'head'") && strstr(printed, "the checksum is wrong"), "%s", printed);
}

Test(inspect, the_recipe_is_a_recipe) {
    cr_assert_eq(inspect_file("--recipe", small_made()), 0);
    cr_assert_str_eq(printed, "* q4\nhead f16\n");
}

Test(inspect, what_is_no_file_is_refused) {
    cr_assert_eq(inspect("/nowhere/model.qbin"), 3);
    cr_assert(strstr(printed, "error: /nowhere/model.qbin: No such file or directory"), "%s", printed);
    cr_assert_eq(inspect("/tmp"), 3);
    cr_assert(strstr(printed, "is a directory"), "%s", printed);
    cr_assert_eq(inspect(""), 2);
    const char *path = small_made();
    cr_assert_eq(truncate(path, 5000), 0);
    cr_assert_eq(inspect_file("", path), 3);
    cr_assert(strstr(printed, "truncated"), "%s", printed);
}
