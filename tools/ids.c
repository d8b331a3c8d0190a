#include "tools/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

status ids_append(id_list *list, int32_t id, error *e) {
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        int32_t *grown = reallocarray(list->ids, room, sizeof *grown);
        if (!grown) return fail(e, E_MEMORY, "no memory for %zu ids", room);
        list->ids = grown;
        list->room = room;
    }
    list->ids[list->n++] = id;
    return OK;
}

status ids_parse(id_list *out, const char *text, error *e) {
    static const char blanks[] = " \t\r\n";
    const char *at = text + strspn(text, blanks);
    while (*at) {
        char *end;
        errno = 0;
        const long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX) return fail(e, E_USAGE, "'%.40s' is not a list of ids like 1,5,7", at);
        TRY(ids_append(out, (int32_t)id, e));
        at = end + strspn(end, blanks);
        if (*at == ',') {
            at += 1 + strspn(at + 1, blanks);
            if (!*at) return fail(e, E_USAGE, "'%.40s' ends with a comma", text);
        } else if (*at) {
            return fail(e, E_USAGE, "'%.40s' is not a list of ids like 1,5,7", at);
        }
    }
    return OK;
}
