/* SPDX-License-Identifier: MIT */
/* ask.c - see ask.h. */
#include "server/ask.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "server/fields.h"

bool ask_read_stop(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct gen_params *g = &((struct ask *)into)->gen;
    struct brrr_error err;
    json_t *one;
    size_t i;

    if (json_is_string(v)) {
        if (json_string_length(v) == 0) return true; /* clients send "" for none */
        enum brrr_status st =
            gen_params_add_stop(g, json_string_value(v), json_string_length(v), &err);
        return !st || problem_of(p, name, st, err.text);
    }
    if (!json_is_array(v)) return fields_wants(p, name, "a text or an array of texts", v);
    json_array_foreach(v, i, one)
    {
        if (!json_is_string(one)) return fields_wants(p, name, "a text or an array of texts", one);
        enum brrr_status st =
            gen_params_add_stop(g, json_string_value(one), json_string_length(one), &err);
        if (st) return problem_of(p, name, st, err.text);
    }
    return true;
}

bool ask_read_seed(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct ask *a = into;
    json_int_t i;

    if (!json_in_whole(v, &i)) return fields_wants(p, name, "a whole number", v);
    if (i == -1) return true; /* choose one */
    a->gen.sample.seed = (uint64_t)i;
    a->seeded = true;
    return true;
}

bool ask_read_bias(void *into, const json_t *v, const char *name, struct problem *p)
{
    struct sample_params *s = &((struct ask *)into)->gen.sample;
    const char *key;
    json_t *add;

    if (!json_is_object(v)) return fields_wants(p, name, "an object {\"id\": bias}", v);
    json_object_foreach((json_t *)v, key, add)
    {
        char *end;
        errno = 0;
        long long id = strtoll(key, &end, 10);
        double d = json_number_value(add);
        if (errno || end == key || *end || id < 0 || id > INT32_MAX)
            return problem(p, PROBLEM_INVALID, name, "`%s`: a key is not a token id", name);
        if (!json_is_number(add) || !(d >= -100 && d <= 100))
            return problem(p, PROBLEM_INVALID, name,
                           "`%s` of token %lld must be a number from -100 to 100", name, id);
        if (s->n_bias == LIMIT_LOGIT_BIAS)
            return problem(p, PROBLEM_INVALID, name, "`%s`: more than %d tokens", name,
                           LIMIT_LOGIT_BIAS);
        s->bias[s->n_bias++] =
            (struct sample_bias){ (int32_t)id, d == -100 ? -INFINITY : (float)d };
    }
    return true;
}
