/* processors.c: post-processors. Ids do not depend on how offsets are trimmed, so all that is left of them is what stands before and after a text. */
#include "text/import.h"

static status processor_bytelevel(importer *in, const json_t *options, error *e) {
    (void)in, (void)options, (void)e;
    return OK;
}

static status processor_sequence(importer *in, const json_t *options, error *e) {
    const json_t *list = json_object_get(options, "processors");
    if (!json_is_array(list)) return fail(e, E_FILE, "post-processor Sequence: \"processors\" is not a list");
    for (size_t i = 0; i < json_array_size(list); i++) TRY(import_processor(in, json_array_get(list, i), true, e));
    return OK;
}

static status add_part(importer *in, int64_t id, error *e) {
    if (in->n_template == TEMPLATE_MAX) return fail(e, E_FILE, "TemplateProcessing: more than %d parts", TEMPLATE_MAX);
    in->template[in->n_template++] = (int32_t)id;
    return OK;
}

/* {"SpecialToken": {"id": "<s>"}}: the ids that "special_tokens" gives for the name. */
static status add_special(importer *in, const json_t *options, const json_t *name, error *e) {
    const json_t *token = json_object_get(json_object_get(options, "special_tokens"), json_is_string(name) ? json_string_value(name) : "");
    const json_t *ids = json_object_get(token, "ids");
    if (!json_is_array(ids)) return fail(e, E_FILE, "TemplateProcessing: a special token has no ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const int64_t n = json_integer_value(id);
        if (!json_is_integer(id) || n < 0 || (size_t)n >= in->n_ids)
            return fail(e, E_FILE, "TemplateProcessing: an id of a special token is out of range");
        TRY(add_part(in, n, e));
    }
    return OK;
}

static status processor_template(importer *in, const json_t *options, error *e) {
    const json_t *single = json_object_get(options, "single");
    if (!json_is_array(single)) return fail(e, E_FILE, "TemplateProcessing: \"single\" is not a list");
    if (in->n_template) return fail(e, E_FILE, "a second TemplateProcessing is not supported");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *part = json_array_get(single, i);
        const json_t *special = json_object_get(part, "SpecialToken"), *text = json_object_get(part, "Sequence");
        if (special) {
            TRY(add_special(in, options, json_object_get(special, "id"), e));
        } else if (json_is_string(json_object_get(text, "id")) && strcmp(json_string_value(json_object_get(text, "id")), "A") == 0) {
            TRY(add_part(in, TEMPLATE_TEXT, e));
        } else {
            return fail(e, E_FILE, "TemplateProcessing: part %zu of \"single\" is neither a special token nor the text", i);
        }
    }
    return in->n_template ? OK : fail(e, E_FILE, "TemplateProcessing: \"single\" is empty");
}

/* {"sep": ["</s>", 2], "cls": ["<s>", 0]}: the id of such a pair. */
static status add_pair(importer *in, const char *what, const json_t *pair, error *e) {
    const json_t *id = json_array_get(pair, 1);
    const int64_t n = json_integer_value(id);
    if (!json_is_integer(id) || n < 0 || (size_t)n >= in->n_ids) return fail(e, E_FILE, "%s: \"cls\" or \"sep\" is not a token with its id", what);
    return add_part(in, n, e);
}

/* Both put cls before a text and sep behind it. */
static status processor_bert(importer *in, const json_t *options, error *e) {
    const char *what = json_string_value(json_object_get(options, "type"));
    if (in->n_template) return fail(e, E_FILE, "%s after another post-processor is not supported", what);
    TRY(add_pair(in, what, json_object_get(options, "cls"), e));
    TRY(add_part(in, TEMPLATE_TEXT, e));
    return add_pair(in, what, json_object_get(options, "sep"), e);
}

static const char *const bert_keys[] = {"sep", "cls", "trim_offsets", "add_prefix_space", NULL};
static const char *const bytelevel_keys[] = {"add_prefix_space", "trim_offsets", "use_regex", NULL};
static const char *const sequence_keys[] = {"processors", NULL};
static const char *const template_keys[] = {"single", "pair", "special_tokens", NULL};

static const processor_kind kind_bytelevel = {"ByteLevel", bytelevel_keys, processor_bytelevel};
static const processor_kind kind_sequence = {"Sequence", sequence_keys, processor_sequence};
static const processor_kind kind_template = {"TemplateProcessing", template_keys, processor_template};

static const processor_kind kind_bert = {"BertProcessing", bert_keys, processor_bert};
static const processor_kind kind_roberta = {"RobertaProcessing", bert_keys, processor_bert};

const processor_kind *const processor_kinds[] = {&kind_bytelevel, &kind_sequence, &kind_template, &kind_bert, &kind_roberta, NULL};

status import_processor(importer *in, const json_t *processor, bool inner, error *e) {
    const char *type;
    TRY(field_type(processor, "post-processor", &type, e));
    const processor_kind *const *kind = processor_kinds;
    while (*kind && strcmp((*kind)->type, type) != 0) kind++;
    if (!*kind) return fail(e, E_FILE, "post-processor \"%s\" is not supported", type);
    if (inner && *kind == &kind_sequence) return fail(e, E_FILE, "a Sequence of post-processors inside another is not supported");
    TRY(fields_known(processor, type, (*kind)->keys, e));
    return (*kind)->import(in, processor, e);
}
