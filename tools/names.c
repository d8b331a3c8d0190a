#include "tools/names.h"

#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void name_printable(char *out, size_t size, const char *name) {
    size_t used = 0, left = strlen(name);
    while (left > 0) {
        utf8proc_int32_t point;
        const utf8proc_ssize_t read = utf8proc_iterate((const utf8proc_uint8_t *)name, (utf8proc_ssize_t)left, &point);
        const bool shown = read > 0 && utf8proc_category(point) != UTF8PROC_CATEGORY_CC;
        const size_t n = read > 0 ? (size_t)read : 1, room = shown ? n : 1;
        if (used + room >= size) break;
        if (shown) {
            memcpy(out + used, name, n);
        } else {
            out[used] = '?';
        }
        used += room;
        name += n;
        left -= n;
    }
    out[used] = 0;
}

bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
