/* A recipe file: refused in one line, or rules that give any name a format or say that none is about it. */
#include <string.h>

#include "quantize/recipe.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    recipe r = {0};
    error e = {0};
    if (recipe_read(&r, (const char *)data, size, "recipe", &e) == OK) {
        const named names[] = {{"embed", "model.embed_tokens.weight", 30}, {"layers.7.down", "model.layers.7.mlp.down_proj.weight", 30}};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            format f;
            const status s = recipe_choose(&r, &names[i], &f, &e);
            target_promise(s == OK || strstr(e.text, names[i].name), "a matrix without a rule is named");
        }
        json_decref(recipe_rules(&r));
    } else {
        target_promise(!strncmp(e.text, "recipe: line ", 13) && !strchr(e.text, '\n'), "what is wrong is one line that says where");
    }
    recipe_close(&r);
    return 0;
}
