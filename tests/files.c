#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATHS = 8, PATH_BYTES = 512 };

static char folder[64];

void folder_open(void) {
    strcpy(folder, "/tmp/qbin-test.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

void folder_close(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static const char *in_folder(const char *where, const char *name) {
    static char paths[PATHS][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % PATHS];
    snprintf(path, PATH_BYTES, "%s/%s", where, name);
    return path;
}

const char *folder_path(const char *name) {
    return in_folder(folder, name);
}

const char *shared_path(const char *name) {
    const char *path = in_folder("../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}

void file_write(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fwrite(data, 1, bytes, f), bytes);
    cr_assert_eq(fclose(f), 0);
}

void file_write_text(const char *path, const char *text) {
    file_write(path, text, strlen(text));
}

uint8_t *file_read(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*bytes + 1);
    cr_assert_eq(fread(data, 1, *bytes, f), *bytes);
    fclose(f);
    return data;
}

void file_write_safetensors(const char *path, const char *header, size_t data_bytes) {
    const size_t length = strlen(header);
    uint8_t *all = calloc(1, 8 + length + data_bytes);
    for (int i = 0; i < 8; i++) all[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(all + 8, header, length);
    for (size_t i = 0; i < data_bytes; i++) all[8 + length + i] = (uint8_t)i;
    file_write(path, all, 8 + length + data_bytes);
    free(all);
}
