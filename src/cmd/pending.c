/* SPDX-License-Identifier: MIT */
/* pending.c - verbs whose own file has not landed; goes away with the last of them. */
#include "cmd/cmd.h"

static int pending(const struct options *o)
{
    return cmd_usage(o->verb, "this verb is not in this build");
}
int verb_chat(const struct options *o)
{
    return pending(o);
}
int verb_run(const struct options *o)
{
    return pending(o);
}
int verb_logits(const struct options *o)
{
    return pending(o);
}
int verb_ppl(const struct options *o)
{
    return pending(o);
}
int verb_bench(const struct options *o)
{
    return pending(o);
}
