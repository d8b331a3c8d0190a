/* The index of a folder that has two shards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/safetensors.h"
#include "target.h"

static char folder[64];

static void put(const char *name, const void *data, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    target_promise(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "a file can be written");
}

static void remove_folder(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command)) perror(folder);
}

static void make_folder(void) {
    static const char shard[] = ":\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}   ..";
    char other[sizeof shard];
    memcpy(other, shard, sizeof shard);
    other[10] = 'b';
    strcpy(folder, "/tmp/qbin-fuzz.XXXXXX");
    target_promise(mkdtemp(folder) != NULL, "a folder can be made");
    atexit(remove_folder);
    put("1.safetensors", shard, sizeof shard - 1);
    put("2.safetensors", other, sizeof other - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!folder[0]) make_folder();
    put("model.safetensors.index.json", data, size);
    checkpoint c;
    error e;
    if (checkpoint_open(&c, folder, &e) == OK) {
        target_promise(c.n_files >= 1 && c.n_files <= 2 && c.n_tensors == c.n_files, "an index opens the shards that it names");
    }
    checkpoint_close(&c);
    return 0;
}
