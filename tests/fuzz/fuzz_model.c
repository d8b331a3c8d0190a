/* A .qbin that the engine runs: it is refused, or tokens can be evaluated and text be made of them. */
#include <stdlib.h>

#include "engine/session.h"
#include "target.h"

enum { TOKENS = 3, WEIGHTS_MAX = 1 << 20, CONTEXT = 16 };

static void use_tokenizer(const tokenizer *t) {
    static const char text[] = "Once upon a time, \xf0\x9f\x8e\x84 \xff 12345";
    id_list ids = {0};
    error e;
    if (tokenizer_encode(t, text, sizeof text - 1, ENCODE_SPECIAL, &ids, &e) == OK) {
        char *back = NULL;
        size_t bytes;
        tokenizer_decode(t, ids.ids, ids.n, false, &back, &bytes, &e);
        free(back);
    }
    free(ids.ids);
}

static void use(const model *m) {
    const spec *s = model_spec(m);
    const session_options options = {.context = s->context < CONTEXT ? s->context : CONTEXT, .batch = 2, .threads = 1, .isa = "scalar"};
    session *run;
    error e;
    if (m->tokenizer) use_tokenizer(m->tokenizer);
    if ((uint64_t)s->hidden * s->vocab > WEIGHTS_MAX || s->layers > 4) return; /* it would only be slow */
    if (session_open(&run, m, &options, &e) != OK) return;
    const int32_t ids[TOKENS] = {0, (int32_t)s->vocab - 1, (int32_t)(s->vocab / 2)};
    const size_t n = session_context(run) < TOKENS ? session_context(run) : TOKENS;
    target_promise(session_eval(run, ids, n, NULL, &e) == OK, "tokens of the vocabulary can be evaluated");
    target_promise(session_position(run) == n, "as many as were given");
    session_close(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    model *m;
    error e;
    if (model_open(&m, target_qbin(data, size), &e) != OK) return 0;
    use(m);
    model_close(&m);
    return 0;
}
