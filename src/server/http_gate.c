/* SPDX-License-Identifier: MIT */
/* http_gate.c - see http_gate.h. */
#include "server/http_gate.h"

#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/limits.h"

/* RFC 9110, 5.6.2: the characters of a name. */
static bool is_token(const char *s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    bool ok = *s != 0;

    for (; *s; s++)
        ok = ok && ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                    (*s >= '0' && *s <= '9') || strchr(marks, *s));
    return ok;
}

/* No control bytes but tabs. */
static bool is_value(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f) return false;
    return true;
}

static bool is_digits(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && s[n] == 0;
}

/* What the headers say of the body, and to whom. */
struct seen {
    int n, n_host, n_length, n_coding;
    bool bad_name, bad_value, bad_length, bad_coding;
};

static struct seen look(const struct evkeyvalq *headers)
{
    struct seen s = { 0 };
    const struct evkeyval *h;

    TAILQ_FOREACH(h, headers, next)
    {
        s.n++;
        s.bad_name = s.bad_name || !is_token(h->key);
        s.bad_value = s.bad_value || !is_value(h->value);
        s.n_host += strcasecmp(h->key, "Host") == 0;
        if (strcasecmp(h->key, "Content-Length") == 0) {
            s.n_length++;
            s.bad_length = s.bad_length || !is_digits(h->value);
        }
        if (strcasecmp(h->key, "Transfer-Encoding") == 0) {
            s.n_coding++;
            s.bad_coding = s.bad_coding || strcasecmp(h->value, "chunked") != 0;
        }
    }
    return s;
}

const char *http_gate(struct evhttp_request *req, int *status)
{
    struct seen s = look(evhttp_request_get_input_headers(req));
    bool is_11 = req->major == 1 && req->minor == 1;

    *status = 400;
    if (s.bad_name) return "a header's name has a byte that names can not have";
    if (s.bad_value) return "a header has a control byte";
    if (s.n_length > 1) return "more than one Content-Length";
    if (s.bad_length) return "Content-Length is not a number";
    if (s.n_coding && s.n_length) return "Transfer-Encoding and Content-Length together";
    if (s.n_host > 1) return "more than one Host";
    if (is_11 && s.n_host == 0) return "no Host";
    *status = 431;
    if (s.n > LIMIT_HTTP_HEADERS) return "too many headers";
    *status = 501;
    if (s.n_coding > 1 || s.bad_coding) return "a Transfer-Encoding other than chunked";
    if (req->major != 1) return "not HTTP/1";
    return NULL;
}
