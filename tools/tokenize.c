/* tokenize: text to ids and back, to look at a tokenizer and to check it from outside. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "tools/command.h"
#include "tools/ids.h"
#include "tools/tokenizer_source.h"

typedef struct tokenize_settings {
    const char *model, *decode, *bench;
    bool special, prompt, literal, jsonl, pieces;
} tokenize_settings;

static const option options[] = {
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_TEXT,
     .value = "MODEL",
     .offset = offsetof(tokenize_settings, model),
     .help = "The tokenizer: a model folder, a tokenizer.json, a tokenizer.model or a .qbin file."},
    {.name = "special",
     .kind = OPTION_FLAG,
     .offset = offsetof(tokenize_settings, special),
     .help = "Add the tokens that the tokenizer puts around a text."},
    {.name = "prompt",
     .kind = OPTION_FLAG,
     .offset = offsetof(tokenize_settings, prompt),
     .help = "As run reads a prompt: like --special, with the BOS that tokenizer_config.json asks for, never twice."},
    {.name = "literal", .kind = OPTION_FLAG, .offset = offsetof(tokenize_settings, literal), .help = "Do not recognise special tokens in the text."},
    {.name = "pieces",
     .kind = OPTION_FLAG,
     .offset = offsetof(tokenize_settings, pieces),
     .help = "Print a line for each token: its id and its text as JSON."},
    {.name = "decode",
     .excludes = "special|prompt|literal|pieces|jsonl|bench",
     .kind = OPTION_TEXT,
     .value = "IDS",
     .offset = offsetof(tokenize_settings, decode),
     .help = "Print the text of these ids (1,5,7) instead."},
    {.name = "jsonl",
     .excludes = "pieces",
     .kind = OPTION_FLAG,
     .offset = offsetof(tokenize_settings, jsonl),
     .help = "Read lines {\"text\": ...} from standard input and write lines {\"ids\": [...], \"decoded\": ...}."},
    {.name = "bench",
     .excludes = "pieces|jsonl",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(tokenize_settings, bench),
     .help = "Measure how fast this text is encoded by one thread, in processor time."},
    {0},
};

static unsigned encode_flags(const tokenize_settings *set) {
    return (set->special ? ENCODE_SPECIAL : 0u) | (set->prompt ? (unsigned)ENCODE_PROMPT : 0u) | (set->literal ? (unsigned)ENCODE_LITERAL : 0u);
}

/* ---- printing ---- */

static void print_ids(const id_list *ids) {
    for (size_t i = 0; i < ids->n; i++) printf("%s%d", i ? "," : "", ids->ids[i]);
    putchar('\n');
}

/* The text of ids as a JSON string; NULL and *e filled on failure. */
static json_t *decode_json(const tokenizer *t, const int32_t *ids, size_t n, error *e) {
    char *text;
    size_t bytes;
    if (tokenizer_decode(t, ids, n, false, &text, &bytes, e) != OK) return NULL;
    json_t *out = json_stringn(text, bytes);
    free(text);
    if (!out) fail(e, E_MEMORY, "no memory for decoded text");
    return out;
}

static status print_json(json_t *value, error *e) {
    const bool good = value && json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) == 0;
    putchar('\n');
    json_decref(value);
    return good ? OK : fail(e, E_RUN, "standard output: %s", strerror(errno));
}

static status print_pieces(const tokenizer *t, const id_list *ids, error *e) {
    for (size_t i = 0; i < ids->n; i++) {
        json_t *text = decode_json(t, &ids->ids[i], 1, e);
        if (!text) return e->code;
        printf("%d\t", ids->ids[i]);
        TRY(print_json(text, e));
    }
    return OK;
}

/* ---- the things to do ---- */

static status print_text(const tokenizer *t, const char *list, error *e) {
    id_list ids = {0};
    char *text = NULL;
    size_t bytes = 0;
    status s = ids_parse(&ids, list, e);
    const size_t vocab = tokenizer_vocab(t);
    for (size_t i = 0; s == OK && i < ids.n; i++) {
        if ((size_t)ids.ids[i] >= vocab) s = fail(e, E_RUN, "token id %d is not below the vocabulary's size %zu", ids.ids[i], vocab);
    }
    if (s == OK) s = tokenizer_decode(t, ids.ids, ids.n, false, &text, &bytes, e);
    if (s == OK) {
        fwrite(text, 1, bytes, stdout);
        if (isatty(STDOUT_FILENO)) putchar('\n');
    }
    free(text);
    free(ids.ids);
    return s;
}

static status tokenize_text(const tokenizer *t, const tokenize_settings *set, const char *text, size_t bytes, error *e) {
    id_list ids = {0};
    status s = tokenizer_encode(t, text, bytes, encode_flags(set), &ids, e);
    if (s == OK && set->pieces) s = print_pieces(t, &ids, e);
    if (s == OK && !set->pieces) print_ids(&ids);
    free(ids.ids);
    return s;
}

/* All of standard input; the caller frees *text. */
static status read_stdin(char **text, size_t *bytes, error *e) {
    size_t room = 0, n = 0;
    *text = NULL;
    do {
        if (n == room) {
            room = room ? 2 * room : 1 << 16;
            char *more = realloc(*text, room);
            if (!more) return fail(e, E_MEMORY, "no memory for %zu bytes of text", room);
            *text = more;
        }
        n += fread(*text + n, 1, room - n, stdin);
    } while (n == room);
    *bytes = n;
    return ferror(stdin) ? fail(e, E_FILE, "standard input: %s", strerror(errno)) : OK;
}

static status tokenize_stdin(const tokenizer *t, const tokenize_settings *set, error *e) {
    char *text = NULL;
    size_t bytes = 0;
    if (isatty(STDIN_FILENO)) return fail(e, E_USAGE, "no text: give it as an operand or through a pipe");
    status s = read_stdin(&text, &bytes, e);
    if (s == OK) s = tokenize_text(t, set, text, bytes, e);
    free(text);
    return s;
}

static status tokenize_line(const tokenizer *t, const tokenize_settings *set, const json_t *text, error *e) {
    id_list ids = {0};
    status s = tokenizer_encode(t, json_string_value(text), json_string_length(text), encode_flags(set), &ids, e);
    json_t *out = json_object(), *list = json_array();
    for (size_t i = 0; s == OK && i < ids.n; i++) json_array_append_new(list, json_integer(ids.ids[i]));
    json_object_set_new(out, "ids", list);
    json_t *decoded = s == OK ? decode_json(t, ids.ids, ids.n, e) : NULL;
    if (s == OK && !decoded) s = e->code;
    json_object_set_new(out, "decoded", decoded);
    free(ids.ids);
    if (s == OK) return print_json(out, e);
    json_decref(out);
    return s;
}

static status tokenize_lines(const tokenizer *t, const tokenize_settings *set, error *e) {
    char *line = NULL;
    size_t room = 0;
    status s = OK;
    ssize_t n;
    for (size_t number = 1; s == OK && (n = getline(&line, &room, stdin)) > 0; number++) {
        json_error_t why;
        json_t *value = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &why);
        const json_t *text = json_object_get(value, "text");
        s = json_is_string(text) ? tokenize_line(t, set, text, e) : fail(e, E_FILE, "standard input: line %zu is not {\"text\": ...}", number);
        json_decref(value);
    }
    free(line);
    return s;
}

/* Of this thread: what others do on the same processor does not count. */
static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare_seconds(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { RUNS_LEAST = 5, RUNS_MOST = 1000 };

/* At least five runs and at least one second. The best of them is what the machine can do: what shares its caches can only make it slower. */
static status measure(const tokenizer_source *source, const tokenize_settings *set, error *e) {
    map text;
    id_list ids = {0};
    double took[RUNS_MOST], all = 0;
    size_t n = 0;
    TRY(map_open(&text, set->bench, e));
    status s = OK;
    while (s == OK && n < RUNS_MOST && (n < RUNS_LEAST || all < 1)) {
        const double start = seconds_now();
        ids.n = 0;
        s = tokenizer_encode(source->tokenizer, (const char *)text.data, text.size, encode_flags(set), &ids, e);
        took[n] = seconds_now() - start;
        all += took[n++];
    }
    if (s == OK) {
        const double first = took[0], megabytes = (double)text.size / 1e6;
        qsort(took, n, sizeof *took, compare_seconds);
        printf("text     %10.3f MB %10zu tokens\n", (double)text.size / 1e6, ids.n);
        printf("encode   %10.2f MB/s  (median %.2f MB/s, first run %.2f)\n", megabytes / took[0], megabytes / took[n / 2], megabytes / first);
        printf("open     %10.3f ms    (compiled tokenizer: %.2f MB", source->seconds[1] * 1e3, (double)source->bytes / 1e6);
        if (source->block) printf(", made in %.0f ms", source->seconds[0] * 1e3);
        printf(")\n");
    }
    free(ids.ids);
    map_close(&text);
    return s;
}

static status tokenize(const tokenizer_source *source, const args *a, error *e) {
    const tokenize_settings *set = a->settings;
    const tokenizer *t = source->tokenizer;
    if (set->bench) return measure(source, set, e);
    if (set->decode) return print_text(t, set->decode, e);
    if (set->jsonl) return tokenize_lines(t, set, e);
    if (a->n_operands) return tokenize_text(t, set, a->operands[0], strlen(a->operands[0]), e);
    return tokenize_stdin(t, set, e);
}

static status run(const args *a, error *e) {
    const tokenize_settings *set = a->settings;
    if (!set->model) return fail(e, E_USAGE, "no tokenizer: -m MODEL");
    if (a->n_operands && (set->bench || set->decode || set->jsonl)) return fail(e, E_USAGE, "unexpected text '%.40s'", a->operands[0]);
    tokenizer_source source;
    TRY(tokenizer_source_open(&source, set->model, e));
    const status s = tokenize(&source, a, e);
    tokenizer_source_close(&source);
    return s;
}

const command command_tokenize = {
    .name = "tokenize",
    .summary = "Turn text into token ids, or ids into text.",
    .usage = "-m MODEL [TEXT]",
    .details =
        "Prints the ids of TEXT, or of standard input when there is none, in the form that other commands take as --ids.\n\n"
        "  tokenize -m model.qbin 'Once upon a time'\n"
        "  tokenize -m FOLDER --pieces 'Once upon a time'\n"
        "  tokenize -m FOLDER --decode 1,5,7\n"
        "  tokenize -m tokenizer.json --jsonl < texts.jsonl > ids.jsonl\n"
        "  tokenize -m FOLDER --bench text.txt",
    .options = options,
    .settings_bytes = sizeof(tokenize_settings),
    .max_operands = 1,
    .run = run,
};
