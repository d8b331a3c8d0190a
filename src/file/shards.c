#include "file/shards.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define INDEX_NAME  "model.safetensors.index.json"
#define SINGLE_NAME "model.safetensors"

enum { INDEX_MAX = 64 << 20, SHARDS_MAX = 4096 };

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* folder + "/" + name; an empty folder is the current one. Owned by the caller. */
static status join(char **out, const char *folder, size_t folder_bytes, const char *name, error *e) {
    const char *slash = folder_bytes && folder[folder_bytes - 1] != '/' ? "/" : "";
    if (asprintf(out, "%.*s%s%s", (int)folder_bytes, folder, slash, name) >= 0) return OK;
    *out = NULL;
    return fail(e, E_MEMORY, "no memory");
}

static status set_single(shards *s, const char *path, error *e) {
    s->paths = calloc(1, sizeof *s->paths);
    if (s->paths) s->paths[0] = strdup(path);
    if (!s->paths || !s->paths[0]) return fail(e, E_MEMORY, "no memory");
    s->n = 1;
    return OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The distinct file names of the weight_map, as keys of an object. */
static status collect_files(json_t *files, const json_t *weight_map, error *e) {
    const char *tensor, *file;
    json_t *value;
    TRY(json_to_object(weight_map, "weight_map", e));
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) {
        TRY(json_to_text(value, tensor, &file, e));
        if (!*file || strchr(file, '/') || strstr(file, "..")) return fail(e, E_FILE, "tensor '%s': the file name '%s' is not allowed", tensor, file);
        if (json_object_set_new(files, file, json_true())) return fail(e, E_MEMORY, "no memory");
    }
    const size_t n = json_object_size(files);
    if (!n) return fail(e, E_FILE, "'weight_map' is empty");
    return n <= SHARDS_MAX ? OK : fail(e, E_FILE, "%zu shards are more than %d", n, SHARDS_MAX);
}

static status set_shards(shards *s, const json_t *files, error *e) {
    const char *file;
    json_t *value;
    s->paths = calloc(json_object_size(files), sizeof *s->paths);
    if (!s->paths) return fail(e, E_MEMORY, "no memory");
    const size_t folder = (size_t)(base_name(s->index_path) - s->index_path);
    json_object_foreach((json_t *)(uintptr_t)files, file, value) {
        TRY(join(&s->paths[s->n], s->index_path, folder, file, e));
        s->n++;
    }
    qsort(s->paths, s->n, sizeof *s->paths, by_text);
    return OK;
}

/* Opens s->index_path. `only_if`: the name of a file that must be one of several shards there; otherwise s->n stays 0. */
static status read_index(shards *s, const char *only_if, error *e) {
    json_t *root, *files = json_object();
    status result = json_parse_file(&root, s->index_path, INDEX_MAX, e);
    if (result == OK) {
        json_t *weight_map = json_object_get(root, "weight_map");
        result = collect_files(files, weight_map, e);
        if (result != OK) {
            fail_in(e, s->index_path);
        } else if (!only_if || (json_object_get(files, only_if) && json_object_size(files) > 1)) {
            s->index = json_incref(weight_map);
            result = set_shards(s, files, e);
        }
    }
    json_decref(files);
    json_decref(root);
    return result;
}

static status find_in_folder(shards *s, const char *folder, error *e) {
    char *single;
    TRY(join(&single, folder, strlen(folder), SINGLE_NAME, e));
    status result = OK;
    if (access(single, F_OK) == 0) {
        result = set_single(s, single, e);
    } else if (access(s->index_path, F_OK) == 0) {
        result = read_index(s, NULL, e);
    } else {
        result = fail(e, E_FILE, "%s: has neither " SINGLE_NAME " nor " INDEX_NAME, folder);
    }
    free(single);
    return result;
}

status shards_find(shards *s, const char *path, error *e) {
    *s = (shards){0};
    struct stat info;
    if (!*path) return fail(e, E_FILE, "the name of the model is empty");
    if (stat(path, &info)) return fail(e, E_FILE, "%s: %s", path, strerror(errno));
    const size_t folder = S_ISDIR(info.st_mode) ? strlen(path) : (size_t)(base_name(path) - path);
    TRY(join(&s->index_path, path, folder, INDEX_NAME, e));
    if (S_ISDIR(info.st_mode)) return find_in_folder(s, path, e);
    if (access(s->index_path, F_OK) == 0) TRY(read_index(s, base_name(path), e));
    return s->n ? OK : set_single(s, path, e);
}

void shards_free(shards *s) {
    for (size_t i = 0; i < s->n; i++) free(s->paths[i]);
    free(s->paths);
    free(s->index_path);
    json_decref(s->index);
    *s = (shards){0};
}

status shards_check(const shards *s, const checkpoint *c, error *e) {
    const char *tensor;
    json_t *value;
    if (!s->index) return OK;
    json_object_foreach(s->index, tensor, value) {
        const source *t = checkpoint_find(c, tensor);
        const char *file = json_string_value(value);
        if (!t) return fail(e, E_FILE, "%s: tensor '%s' is in no shard, the index says %s", s->index_path, tensor, file);
        if (strcmp(base_name(t->file->path), file) != 0) {
            return fail(e, E_FILE, "%s: tensor '%s' is in %s, the index says %s", s->index_path, tensor, t->file->path, file);
        }
    }
    return OK;
}
