/* The same bits on every CPU: hashes of logits that were made elsewhere, one for each format and each way in which activations are encoded. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/session.h"
#include "tiny.h"

enum { N = 90, FIRST = 80, FEW = 5, VOCAB = 144 };

static void keep(void *all, size_t position, const float *logits) {
    memcpy((float *)all + position * VOCAB, logits, VOCAB * sizeof *logits);
}

/* Of the logits of some tokens, in calls that make matrix products with one token, with few and with many. */
static unsigned long long hash_of(const char *name) {
    static float all[N * VOCAB];
    char path[] = "/tmp/test_golden.XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    spec s = tiny_spec_aligned();
    cr_assert_eq(s.vocab, VOCAB);
    tiny_write(path, &s, &(tiny){.format = name, .seed = 12, .center = 0.125f});
    spec_free(&s);
    model *m;
    session *run;
    error e = {0};
    cr_assert_eq(model_open(&m, path, &e), OK, "%s", e.text);
    cr_assert_eq(session_open(&run, m, &(session_options){.threads = 2}, &e), OK, "%s", e.text);
    int32_t ids[N];
    tiny_ids(ids, N, VOCAB, 13);
    for (size_t done = 0, part; done < N; done += part) {
        part = done == 0 ? FIRST : done == FIRST ? FEW : 1;
        cr_assert_eq(session_eval(run, ids + done, part, &(logits_sink){.row = keep, .context = all}, &e), OK, "%s", e.text);
    }
    session_close(&run);
    model_close(&m);
    unlink(path);
    return XXH3_64bits(all, sizeof all);
}

/* GOLDEN_LOGITS=FILE writes them anew. */
Test(golden, logits_are_what_they_were) {
    static const char *const also[] = {"q4@f32", "q4@token", "q8@static", "q4-b32@token"};
    FILE *known = fopen("tests/data/golden-logits.txt", "r"), *fresh = getenv("GOLDEN_LOGITS") ? fopen(getenv("GOLDEN_LOGITS"), "w") : NULL;
    cr_assert(known || fresh);
    size_t listed = 0;
    while (format_list[listed].name) listed++;
    for (size_t i = 0; i < listed + sizeof also / sizeof *also; i++) {
        const char *name = i < listed ? format_list[i].name : also[i - listed];
        char line[128], wanted[128] = "";
        snprintf(line, sizeof line, "%-16s %016llx\n", name, hash_of(name));
        if (fresh) fputs(line, fresh);
        if (!fresh) cr_expect(fgets(wanted, sizeof wanted, known) && !strcmp(line, wanted), "%.*s, not %s", (int)strcspn(line, "\n"), line, wanted);
    }
    if (fresh) fclose(fresh);
    if (known) fclose(known);
}
