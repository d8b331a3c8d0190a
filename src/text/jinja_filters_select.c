/* Filters that apply another filter, or a test, to each item. */
#include "text/jinja_filters.h"

static status named_argument(run *x, const call *c, const char *name, value *out) {
    (void)x;
    *out = (value){0};
    for (size_t i = 0; i < c->n_named; i++) {
        if (text_is(c->named[i].key, name)) *out = c->named[i].value;
    }
    return OK;
}

/* map(attribute=path, default=value) */
static status map_attribute(run *x, const call *c, value path, const value *list, value *mapped, size_t n) {
    value otherwise;
    TRY(named_argument(x, c, "default", &otherwise));
    if (c->n_named > 1 + (otherwise.kind != K_ABSENT)) return run_fail(x, "FilterArgumentError", "Unexpected keyword argument of map");
    for (size_t i = 0; i < n; i++) TRY(filter_path(x, list[i], path, otherwise, &mapped[i]));
    return OK;
}

status filter_map(run *x, call *c, value *out) {
    value path, name, *mapped;
    const value *list;
    size_t n;
    TRY(value_items(x, c->self, &list, &n));
    TRY(run_take(x, n, sizeof *mapped, &mapped));
    TRY(named_argument(x, c, "attribute", &path));
    if (!c->n && path.kind != K_ABSENT) {
        TRY(map_attribute(x, c, path, list, mapped, n));
        return value_iterator(x, mapped, n, c->self.data, out);
    }
    if (!c->n) return run_fail(x, "FilterArgumentError", "map requires a filter argument");
    TRY(value_string(x, c->list[0], &name));
    const routine *filter = routine_find(filter_routines, name);
    if (!filter) return run_fail(x, RUNTIME_ERROR, "No filter named '%s'.", text_shown(x, name));
    for (size_t i = 0; i < n; i++) {
        call each = {.self = list[i], .list = c->list + 1, .n = c->n - 1, .named = c->named, .n_named = c->n_named};
        TRY(routine_start(x, filter, &each, &mapped[i]));
    }
    return value_iterator(x, mapped, n, c->self.data, out);
}

/* Items whose test (list[skip], with the arguments behind it; truth if there is none) comes out as wanted, tested themselves or by an attribute. */
static status choose(run *x, call *c, bool attribute, bool wanted, value *out) {
    const routine *test = NULL;
    const value *list;
    size_t n;
    item_list kept = {0};
    const size_t skip = attribute ? 1 : 0;
    if (c->n < skip) return run_fail(x, "FilterArgumentError", "Missing parameter for attribute name");
    if (c->n > skip) {
        value name;
        TRY(value_string(x, c->list[skip], &name));
        if (!(test = routine_find(test_routines, name))) return run_fail(x, RUNTIME_ERROR, "No test named '%s'.", text_shown(x, name));
    }
    TRY(value_items(x, c->self, &list, &n));
    for (size_t i = 0; i < n; i++) {
        value v = list[i], answer;
        if (attribute) TRY(filter_path(x, v, c->list[0], (value){0}, &v));
        answer = v;
        if (test) {
            call each = {.self = v, .list = c->list + skip + 1, .n = c->n - skip - 1, .named = c->named, .n_named = c->n_named};
            TRY(routine_start(x, test, &each, &answer));
        }
        if (value_true(answer) == wanted) TRY(items_add(x, &kept, list[i]));
    }
    return value_iterator(x, kept.p, kept.n, c->self.data, out);
}

status filter_select(run *x, call *c, value *out) {
    return choose(x, c, false, true, out);
}

status filter_reject(run *x, call *c, value *out) {
    return choose(x, c, false, false, out);
}

status filter_selectattr(run *x, call *c, value *out) {
    return choose(x, c, true, true, out);
}

status filter_rejectattr(run *x, call *c, value *out) {
    return choose(x, c, true, false, out);
}
