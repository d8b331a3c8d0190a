#include "tools/tokenizer_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file/gguf.h"
#include "tools/gguf_inputs.h"

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* "folder/name", or `name` beside the file `path`. The caller frees; NULL without memory. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    const int folder = is_folder(path) ? (int)strlen(path) : slash ? (int)(slash - path) : 0;
    char *out = NULL;
    const bool root = !is_folder(path) && slash == path;
    return asprintf(&out, "%.*s%s%s", folder, path, folder || root ? "/" : "", name) < 0 ? NULL : out;
}

static status compile(tokenizer_source *s, const map *json, const map *config, error *e) {
    const double start = seconds_now();
    const status code = tokenizer_compile((const char *)json->data, json->size, (const char *)config->data, config->size, &s->block, &s->bytes, e);
    s->seconds[0] = seconds_now() - start;
    return code;
}

static status compile_file(tokenizer_source *s, const char *json_path, const char *config_path, error *e) {
    map json = {0}, config = {0};
    TRY(map_open(&json, json_path, e));
    status code = access(config_path, F_OK) == 0 ? map_open(&config, config_path, e) : OK;
    if (code == OK && compile(s, &json, &config, e) != OK) code = fail_in(e, json_path);
    map_close(&json);
    map_close(&config);
    return code;
}

static status compile_path(tokenizer_source *s, const char *path, error *e) {
    char *json = is_folder(path) ? beside(path, "tokenizer.json") : strdup(path);
    char *config = beside(path, "tokenizer_config.json");
    const status code = json && config ? compile_file(s, json, config, e) : fail(e, E_MEMORY, "no memory for a path");
    free(json);
    free(config);
    return code;
}

static status compile_gguf(tokenizer_source *s, const char *path, error *e) {
    const double start = seconds_now();
    const status code = gguf_compile_tokenizer(path, &s->block, &s->bytes, e);
    s->seconds[0] = seconds_now() - start;
    return code;
}

static status open_block(tokenizer_source *s, const char *path, error *e) {
    const uint8_t *block = s->block;
    if (!block) {
        block = s->file.tokens;
        s->bytes = s->file.tokens_size;
        if (s->bytes == 0) return fail(e, E_FILE, "%s: has no tokenizer", path);
    }
    /* Twice: the first allocation after compiling waits until malloc has sorted all that the JSON has left. */
    for (int i = 0; i < 2; i++) {
        tokenizer_close(&s->tokenizer);
        const double start = seconds_now();
        if (tokenizer_open(&s->tokenizer, block, s->bytes, e) != OK) return fail_in(e, path);
        s->seconds[1] = seconds_now() - start;
    }
    return OK;
}

status tokenizer_source_open(tokenizer_source *s, const char *path, error *e) {
    *s = (tokenizer_source){0};
    const bool is_file = !is_folder(path), is_qbin = is_file && qbin_is(path), is_gguf = is_file && !is_qbin && gguf_is(path);
    status code = is_qbin ? qbin_open(&s->file, path, e) : is_gguf ? compile_gguf(s, path, e) : compile_path(s, path, e);
    if (code == OK) code = open_block(s, path, e);
    if (code != OK) tokenizer_source_close(s);
    return code;
}

void tokenizer_source_close(tokenizer_source *s) {
    tokenizer_close(&s->tokenizer);
    qbin_close(&s->file);
    free(s->block);
    *s = (tokenizer_source){0};
}
