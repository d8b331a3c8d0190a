#include "tiny_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

void tiny_make_path(void) {
    strcpy(path, "/tmp/test_tiny.XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

void tiny_remove_path(void) {
    unlink(path);
}

model *tiny_open(spec *s, const tiny *t) {
    tiny_write(path, s, t);
    spec_free(s);
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, path, &e), OK, "%s", e.text);
    return m;
}

void tiny_keep(void *context, size_t position, const float *logits) {
    const tiny_rows *r = context;
    memcpy(r->data + (position - r->first) * r->vocab, logits, r->vocab * sizeof *logits);
}

float *tiny_logits(const model *m, const session_options *o, const int32_t *ids, size_t n, size_t call) {
    session *s;
    error e = {0};
    cr_assert_eq(session_open(&s, m, o, &e), OK, "%s", e.text);
    const size_t vocab = model_spec(m)->vocab;
    tiny_rows r = {.data = calloc(n * vocab, sizeof(float)), .vocab = vocab};
    const logits_sink sink = {.row = tiny_keep, .context = &r};
    for (size_t done = 0; done < n; done += call) {
        const size_t part = n - done < call ? n - done : call;
        cr_assert_eq(session_eval(s, ids + done, part, &sink, &e), OK, "%s", e.text);
        cr_assert_arr_eq(session_logits(s), r.data + (done + part - 1) * vocab, vocab * sizeof(float));
    }
    cr_assert_eq(session_position(s), n);
    session_close(&s);
    return r.data;
}

double largest_distance(const float *a, const double *b, size_t n) {
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(b[i]));
        worst = fmax(worst, fabs((double)a[i] - b[i]));
        if (isnan(a[i])) return INFINITY;
    }
    return worst / most;
}
