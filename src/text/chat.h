/* SPDX-License-Identifier: MIT */
/*
 * chat.h - a model's chat format: messages to the text that the model expects.
 *
 * A struct chat is a compiled template with the names of the model's special
 * tokens. It adds what transformers adds: `tools` and `documents` are none
 * when absent, and a message's reasoning is found under each of its usual names.
 *
 * Threads: immutable once open.
 */
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include "text/template.h"

struct gguf;
struct chat;

/*
 * For models whose file has no template: ChatML, a system message if there is
 * one, "<|im_start|>role\n...<|im_end|>\n" for each message. Models that were
 * never taught it take it as text, which is as good as anything.
 */
extern const char chat_fallback[];

/*
 * The template of a model file (else chat_fallback) and its bos_token, eos_token
 * and so on. BRRR_E_FORMAT: the template does not compile.
 */
enum brrr_status chat_open(struct chat **out, const struct gguf *g, struct brrr_error *err);
/* A template from elsewhere; tokens from g, which may be NULL. False: err says why. */
bool chat_compile(struct chat **out, const char *src, size_t n, const struct gguf *g,
                  struct template_error *err);
void chat_close(struct chat *c); /* NULL is allowed */
bool chat_is_fallback(const struct chat *c);

struct chat_request {
    const json_t *messages; /* an array of objects; NULL: the variable is not defined */
    const json_t *tools;    /* NULL: none */
    const json_t *extra;    /* an object of further variables, which win; or NULL; untrusted */
    bool add_generation_prompt;
    int64_t now; /* for strftime_now: seconds since 1970, as the wall shows them */
};

/* Segments with parse_special set are the template's own words; see template.h. */
bool chat_render(const struct chat *c, const struct chat_request *req, struct template_text *out,
                 struct template_error *err);

/* What the wall clock shows now, in seconds since 1970 (local time, as transformers has it). */
int64_t chat_wall_clock(void);

#endif
