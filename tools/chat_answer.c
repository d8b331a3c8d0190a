/* An answer: from messages to tokens, of which the session may have many already, to text on standard output and a message more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/chat.h"
#include "tools/ids.h"
#include "tools/signals.h"
#include "tools/timings.h"

typedef struct answer {
    chat *c;
    decoder *decoder;
    thinking thinking;
    buffer message; /* what goes into the conversation */
    turn_timings times;
    size_t drawn;
    bool dimmed, hidden, begun; /* on the terminal; the last part was a thought that is not shown; something is shown */
    char last;                  /* byte shown */
    bool full;                  /* of the context */
} answer;

/* ---- the conversation in the session ---- */

static status check_context(const chat *c, size_t n, error *e) {
    const size_t context = session_context(c->on.session);
    if (n <= context) return OK;
    return fail(e, E_RUN,
                "the context is full: the conversation has %zu tokens, and there is room for %zu. /clear begins a new one; more room is given with "
                "--context N "
                "(the model was made for %u)",
                n, context, model_spec(c->on.model)->context);
}

static size_t common_prefix(const id_list *a, const id_list *b) {
    size_t n = 0;
    while (n < a->n && n < b->n && a->ids[n] == b->ids[n]) n++;
    return n;
}

/* Evaluates what the session does not have yet; at least the last token, whose logits are wanted. */
static status evaluate(answer *a, const id_list *ids, error *e) {
    chat *c = a->c;
    size_t kept = common_prefix(&c->ids, ids);
    if (kept == ids->n) kept--;
    lookahead_rewind(c->on.text, kept);
    c->ids.n = kept;
    a->times.reused_tokens = kept;
    sampler_forget(c->on.sampler);
    for (size_t i = 0; i < ids->n; i++) sampler_accept(c->on.sampler, ids->ids[i]);
    const double start = clock_seconds();
    TRY(lookahead_prompt(c->on.text, ids->ids + kept, ids->n - kept, e));
    a->times.prompt = clock_seconds() - start;
    a->times.prompt_tokens = ids->n - kept;
    for (size_t i = kept; i < ids->n; i++) TRY(ids_append(&c->ids, ids->ids[i], e));
    return OK;
}

static status read_conversation(answer *a, error *e) {
    chat *c = a->c;
    jinja_output text;
    id_list ids = {0};
    TRY(chat_template_render(&c->template, c->messages, true, &text, e));
    status s = chat_template_encode(&c->template, &text, &ids, e);
    if (s == OK && !ids.n) s = fail(e, E_RUN, "the chat template makes nothing of this conversation");
    if (s == OK) s = check_context(c, ids.n, e);
    if (s == OK) s = evaluate(a, &ids, e);
    if (s == OK) thinking_begin(&a->thinking, text.text, text.bytes);
    jinja_output_free(&text);
    free(ids.ids);
    return s;
}

/* ---- what is shown ---- */

static void set_dim(answer *a, bool dim) {
    if (a->c->dim && a->dimmed != dim) fputs(dim ? "\033[2m" : "\033[22m", stdout);
    a->dimmed = dim;
}

/* A model must not speak to the terminal: the bytes of a control character at p, 0 if there is none. U+0080 to U+009F are two. */
static size_t control_bytes(const char *p, size_t n) {
    const unsigned char c = (unsigned char)*p, next = n > 1 ? (unsigned char)p[1] : 0;
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) return 1;
    return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

static void print(answer *a, const char *text, size_t n) {
    for (size_t i = 0, control; i < n; i += control ? control : 1) {
        control = a->c->shown ? control_bytes(text + i, n - i) : 0;
        putc_unlocked(control ? '?' : text[i], stdout);
    }
    if (n) a->last = text[n - 1];
    if (n) a->begun = true;
    fflush(stdout); /* main says what went wrong with it */
}

/* Blank lines behind a thought that is not shown are not shown either. */
static status take_part(void *owner, const thought_part *part, error *e) {
    answer *a = owner;
    if (part->content) TRY(buffer_add(&a->message, part->text, part->n, e));
    if (part->thought && !a->c->thoughts) {
        a->hidden = true;
        return OK;
    }
    size_t blank = 0;
    while (a->hidden && !a->begun && blank < part->n && strchr(" \n", part->text[blank])) blank++;
    set_dim(a, part->thought);
    print(a, part->text + blank, part->n - blank);
    return OK;
}

static status pass_text(answer *a, const char *text, size_t n, error *e) {
    const char *out;
    size_t bytes;
    TRY(stops_feed(&a->c->stops, text, n, &out, &bytes, e));
    return thinking_feed(&a->thinking, out, bytes, e);
}

/* The text of a special token that begins or ends thoughts; others are not shown. */
static status pass_mark(answer *a, int32_t id, error *e) {
    char *text;
    size_t n;
    TRY(tokenizer_decode(a->c->template.tokenizer, &id, 1, false, &text, &n, e));
    const status s = n && thinking_has(text) ? pass_text(a, text, n, e) : OK;
    free(text);
    return s;
}

static status pass_token(answer *a, int32_t id, error *e) {
    const char *text;
    size_t n;
    if (tokenizer_is_special(a->c->template.tokenizer, id)) return pass_mark(a, id, e);
    TRY(decoder_feed(a->decoder, id, &text, &n, e));
    return pass_text(a, text, n, e);
}

/* What was held back, in the order in which it is held. */
static status pass_rest(answer *a, error *e) {
    const char *text;
    size_t n;
    TRY(decoder_finish(a->decoder, &text, &n, e));
    TRY(pass_text(a, text, n, e));
    stops_finish(&a->c->stops, &text, &n);
    TRY(thinking_feed(&a->thinking, text, n, e));
    TRY(thinking_finish(&a->thinking, e));
    set_dim(a, false);
    if (a->begun && a->last != '\n') print(a, "\n", 1);
    return OK;
}

/* ---- generating ---- */

static bool ends(const chat *c, int32_t id) {
    return generator_ends(&c->on, id) || id == c->end || id == tokenizer_eos(c->template.tokenizer);
}

static status draw(const chat *c, int32_t *id, error *e) {
    const float *logits = lookahead_logits(c->on.text);
    TRY(constrained_logits(c->constrained, &logits, e));
    *id = sampler_draw(c->on.sampler, logits);
    return constrained_take(c->constrained, *id, e);
}

static size_t wanted(const answer *a) {
    const int64_t predict = a->c->set->predict;
    return predict < 0 ? SIZE_MAX : (size_t)predict > a->drawn ? (size_t)predict - a->drawn : 0;
}

static status generate(answer *a, error *e) {
    chat *c = a->c;
    const double start = clock_seconds();
    TRY(constrained_restart(c->constrained, e));
    while (wanted(a) && !constrained_is_over(c->constrained)) {
        int32_t id;
        TRY(draw(c, &id, e));
        a->drawn++;
        if (a->times.first_token == 0) a->times.first_token = clock_seconds() - a->times.start;
        if (ends(c, id)) break;
        TRY(pass_token(a, id, e));
        TRY(signals_check(e));
        if (c->stops.found || !wanted(a) || constrained_is_over(c->constrained)) break;
        a->full = lookahead_position(c->on.text) == session_context(c->on.session);
        if (a->full) break;
        TRY(lookahead_take(c->on.text, id, wanted(a) - 1, e));
        TRY(ids_append(&c->ids, id, e));
        a->times.generated_tokens++;
        a->times.generation = clock_seconds() - start;
    }
    return OK;
}

static void tell(answer *a) {
    const chat *c = a->c;
    if (a->full) fprintf(stderr, "the context is full: the answer ends here. /clear begins a new conversation; --context N gives more room\n");
    if (constrained_is_cut(c->constrained) && (a->full || !wanted(a)))
        fprintf(stderr, "warning: the answer was cut before it was what the grammar wants: %s\n",
                a->full ? "the context is full" : "-n allows no more tokens");
    a->times.position = lookahead_position(c->on.text);
    a->times.context = session_context(c->on.session);
    a->times.lookup = lookahead_count(c->on.text);
    if (c->set->json_timings || !c->set->quiet) timings_print_turn(&a->times, c->set->json_timings);
}

static status read_and_write(answer *a, error *e) {
    chat *c = a->c;
    TRY(read_conversation(a, e));
    TRY(decoder_open(&a->decoder, c->template.tokenizer, true, e));
    stops_reset(&c->stops);
    const status s = generate(a, e);
    if (s != OK && s != E_INTERRUPT) return s;
    TRY(pass_rest(a, s == OK ? e : NULL));
    if (s == OK || a->message.n) TRY(messages_add(c->messages, "assistant", (const char *)a->message.p, a->message.n, e));
    tell(a);
    return s;
}

status chat_answer(chat *c, error *e) {
    answer a = {.c = c, .thinking = {.take = take_part}, .times.start = clock_seconds()};
    a.thinking.owner = &a;
    const status s = read_and_write(&a, e);
    decoder_close(&a.decoder);
    thinking_free(&a.thinking);
    buffer_free(&a.message);
    return s;
}

/* ---- a turn ---- */

/* Ctrl-C at a terminal has stopped an answer, and that is all. */
static status after(const chat *c, status s) {
    if (s != E_INTERRUPT || !c->typed || !signals_forget_interrupt()) return s;
    clearerr(stdout); /* a write may have been interrupted too */
    fprintf(stderr, "%s\n", messages_end_with(c->messages, "assistant") ? "(stopped)" : "(stopped; your message was taken back)");
    return OK;
}

status chat_say(chat *c, const char *text, size_t n, error *e) {
    TRY(messages_add(c->messages, "user", text, n, e));
    const status s = after(c, chat_answer(c, e));
    if (messages_end_with(c->messages, "user")) messages_remove_last(c->messages);
    return s;
}

status chat_say_again(chat *c, error *e) {
    json_t *old = NULL;
    if (messages_end_with(c->messages, "assistant")) {
        old = json_incref(json_array_get(c->messages, json_array_size(c->messages) - 1));
        messages_remove_last(c->messages);
    }
    status s = messages_end_with(c->messages, "user") ? chat_answer(c, e) : fail(e, E_USAGE, "there is nothing to answer again");
    if (old && !messages_end_with(c->messages, "assistant") && json_array_append(c->messages, old)) s = fail(e, E_MEMORY, "no memory");
    json_decref(old);
    return after(c, s);
}
