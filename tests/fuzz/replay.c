/* Takes the place of libFuzzer: calls the target once for each file named on the command line. */
#include <stdio.h>
#include <stdlib.h>

#include "target.h"

static int replay(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return perror(path), 1;
    fseek(f, 0, SEEK_END);
    const size_t size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(size ? size : 1); /* no byte more: a sanitizer sees a read past the end */
    const int failed = !data || fread(data, 1, size, f) != size;
    fclose(f);
    if (!failed) LLVMFuzzerTestOneInput(data, size);
    free(data);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= replay(argv[i]);
    printf("%d inputs\n", argc - 1);
    return failed;
}
