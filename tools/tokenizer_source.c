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

/* The files of a tokenizer, mapped; what is not there stays empty. */
typedef struct source_files {
    map tokenizer, config, special_tokens, added_tokens;
} source_files;

static tokenizer_file text_of(const map *m) {
    return (tokenizer_file){(const char *)m->data, m->size};
}

static status compile(tokenizer_source *s, const source_files *f, error *e) {
    const tokenizer_files files = {text_of(&f->tokenizer), text_of(&f->config), text_of(&f->special_tokens), text_of(&f->added_tokens)};
    const double start = seconds_now();
    const status code = tokenizer_compile_files(&files, &s->block, &s->bytes, e);
    s->seconds[0] = seconds_now() - start;
    return code;
}

static status map_beside(map *m, const char *path, const char *name, error *e) {
    char *file = beside(path, name);
    if (!file) return fail(e, E_MEMORY, "no memory for a path");
    const status s = access(file, F_OK) == 0 ? map_open(m, file, e) : OK;
    free(file);
    return s;
}

static status map_files(source_files *f, const char *path, error *e) {
    if (is_folder(path)) {
        TRY(map_beside(&f->tokenizer, path, "tokenizer.json", e));
        if (!f->tokenizer.data) TRY(map_beside(&f->tokenizer, path, "tokenizer.model", e));
        if (!f->tokenizer.data) return fail(e, E_FILE, "%s: there is no tokenizer.json and no tokenizer.model", path);
    } else {
        TRY(map_open(&f->tokenizer, path, e));
    }
    TRY(map_beside(&f->config, path, "tokenizer_config.json", e));
    if (f->tokenizer.size && f->tokenizer.data[0] == '{') return OK; /* tokenizer.json has all that the others say */
    TRY(map_beside(&f->special_tokens, path, "special_tokens_map.json", e));
    return map_beside(&f->added_tokens, path, "added_tokens.json", e);
}

static status compile_path(tokenizer_source *s, const char *path, error *e) {
    source_files f = {0};
    status code = map_files(&f, path, e);
    if (code == OK && compile(s, &f, e) != OK) code = fail_in(e, f.tokenizer.path);
    map_close(&f.tokenizer);
    map_close(&f.config);
    map_close(&f.special_tokens);
    map_close(&f.added_tokens);
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
