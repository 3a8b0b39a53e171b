/* SPDX-License-Identifier: MIT */
/*
 * bundle.h - what brrr_model_open() opens: the file, the weights, the words.
 *
 * Immutable once open.
 */
#ifndef ENGINE_BUNDLE_H
#define ENGINE_BUNDLE_H

#include "format/gguf.h"
#include "model/model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

struct brrr_model {
    struct gguf *file;
    struct tokenizer *tok; /* NULL: the file has no tokenizer, ids only */
    struct chat *chat;     /* NULL: the file's chat template does not compile */
    bool has_template;     /* the file has one of its own; else it is ChatML  */
    struct model *model;
};

/* The rendered text alone, to be freed by template_text_fini(). */
enum brrr_status bundle_chat_text(const struct brrr_model *b, const json_t *messages,
                                  struct template_text *out, struct brrr_error *err);
/* Its ids, appended to `out`. */
enum brrr_status bundle_text_ids(const struct brrr_model *b, const struct template_text *text,
                                 struct ids *out, struct brrr_error *err);

/*
 * Render the model's template (ChatML where the file has none) over `messages`, a JSON array of
 * objects, and append the ids; text of messages never becomes a special token.
 */
enum brrr_status bundle_chat_ids(const struct brrr_model *b, const json_t *messages,
                                 struct ids *out, struct brrr_error *err);

#endif
