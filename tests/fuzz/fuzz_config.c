/* A config.json: it is refused, or it becomes a spec that survives the way through the .qbin. */
#include "base/json.h"
#include "models/arch.h"
#include "target.h"

static void use(const arch *a, const spec *s) {
    wanted_list list = {0};
    error e;
    target_promise(spec_check(s, &e) == OK, "a spec that was made is valid");
    target_promise(a->tensors(s, &list, &e) == OK && list.n > s->layers, "a spec has tensors");
    wanted_free(&list);
    spec again;
    json_t *first = spec_to_json(s);
    target_promise(first && spec_from_json(&again, first, &e) == OK, "a spec can be read back");
    json_t *second = spec_to_json(&again);
    target_promise(json_equal(first, second), "a spec that was read back is the same");
    json_decref(first);
    json_decref(second);
    spec_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *root;
    error e;
    if (json_parse(&root, (const char *)data, size, 100000, &e) != OK) return 0;
    const arch *a;
    spec s;
    if (arch_configure(&a, &s, root, root, &e) == OK) {
        use(a, &s);
        spec_free(&s);
    }
    json_decref(root);
    return 0;
}
