/* SPDX-License-Identifier: MIT */
/*
 * verb_sets.h - sets of verbs, for the column "verbs" of options.def.
 *
 * Included by options.c only. A verb that is added to verbs.def joins the sets
 * it belongs to here.
 */
#ifndef CMD_VERB_SETS_H
#define CMD_VERB_SETS_H

#define V_ALL      (~0u)
#define V_RUN      V(run)
#define V_CHAT     V(chat)
#define V_SERVE    V(serve)
#define V_BENCH    V(bench)
#define V_TUNE     V(tune)
#define V_PPL      V(ppl)
#define V_TOKENIZE V(tokenize)
#define V_TEMPLATE V(template)
#define V_INSPECT  V(inspect)
#define V_RUNS     (V(run) | V(chat) | V(serve) | V(bench) | V(ppl) | V(logits))
#define V_MODEL    (V_RUNS | V_TUNE | V_TOKENIZE | V_TEMPLATE | V_INSPECT)
#define V_JSONL    (V(run) | V(tokenize) | V(template) | V(sample) | V(logits))
#define V_JSON     (V(ppl) | V(bench) | V(tune) | V(inspect))

#endif
