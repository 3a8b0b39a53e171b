/* SPDX-License-Identifier: MIT */
/* serve.c - `brrr serve`: the model behind a port. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "cmd/session.h"
#include "server/server.h"

/* The model file's name without folder and ending: what clients call it. */
static void model_name(char *out, size_t cap, const char *path)
{
    const char *base = strrchr(path, '/');
    size_t n;

    base = base ? base + 1 : path;
    n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".gguf") == 0) n -= 5;
    snprintf(out, cap, "%.*s", (int)MIN(n, cap - 1), base);
}

static void note(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "brrr: %s\n", text);
}

/* --- what options say --- */

static enum brrr_status open_keys(struct keys **out, const struct options *o,
                                  struct brrr_error *err)
{
    enum brrr_status st = keys_open(out, o->api_key_file, err);

    if (!st && o->api_key) st = keys_add(*out, o->api_key, err);
    if (st) {
        keys_close(*out);
        *out = NULL;
    }
    return st;
}

static int tls_fail(const char *what, const char *path)
{
    char why[200];

    ERR_error_string_n(ERR_get_error(), why, sizeof(why));
    fprintf(stderr, "brrr: %s %s: %s\n", what, path, why);
    return EXIT_USAGE;
}

static int open_tls(SSL_CTX **out, const struct options *o)
{
    SSL_CTX *tls;

    *out = NULL;
    if (!o->tls_cert && !o->tls_key) return EXIT_OK;
    if (!o->tls_cert || !o->tls_key)
        return cmd_usage("serve", "--tls-cert and --tls-key go together");
    if (!(tls = SSL_CTX_new(TLS_server_method()))) return EXIT_NOMEM;
    *out = tls;
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_use_certificate_chain_file(tls, o->tls_cert) != 1)
        return tls_fail("the certificate", o->tls_cert);
    if (SSL_CTX_use_PrivateKey_file(tls, o->tls_key, SSL_FILETYPE_PEM) != 1)
        return tls_fail("the key", o->tls_key);
    if (SSL_CTX_check_private_key(tls) != 1) return tls_fail("the key does not fit", o->tls_cert);
    return EXIT_OK;
}

/* Whoever can reach the port can use the machine: beyond this one that needs keys. */
static int check_reach(const struct options *o, const struct server_opts *so)
{
    if (so->guard.local || keys_count(so->keys) > 0 || o->no_auth) return EXIT_OK;
    return cmd_usage("serve",
                     "--host %s can be reached from other machines: give --api-key-file FILE, or "
                     "--insecure-no-auth to let everybody in",
                     o->host);
}

static int settle(struct server_opts *so, const struct options *o)
{
    struct brrr_error err;
    SSL_CTX *tls;
    int code;

    if (o->port < 0 || o->port > 65535) return cmd_usage("serve", "--port is from 0 to 65535");
    if (o->drain_s < 0 || o->drain_s > 86400)
        return cmd_usage("serve", "--drain-timeout is from 0 to 86400 seconds");
    so->engine.max_waiting =
        OPTION_GIVEN(o, queue) ? (o->queue ? o->queue : -1) : LIMIT_SERVER_QUEUE;
    so->engine.note = note;
    so->drain_s = o->drain_s;
    so->isolate = o->isolate;
    so->http.body_max = o->max_body;
    so->guard = (struct guard_opts){ .local = !o->host || guard_is_local(o->host),
                                     .hosts = o->allowed_host,
                                     .origins = o->cors_origin,
                                     .metrics_public = o->metrics_public };
    if (open_keys(&so->keys, o, &err)) return cmd_usage("serve", "%s", err.text);
    if ((code = check_reach(o, so)) || (code = open_tls(&tls, o))) return code;
    so->http.tls = tls;
    return EXIT_OK;
}

/* --- the verb --- */

static int listen_on(struct server *s, const struct options *o)
{
    const char *host = o->host ? o->host : "127.0.0.1";
    bool unix_path = strncmp(host, "unix:", 5) == 0, v6 = strchr(host, ':') && host[0] != '[';
    struct brrr_error err;
    char address[300];
    int port;

    if (unix_path) snprintf(address, sizeof(address), "%s", host);
    else snprintf(address, sizeof(address), v6 ? "[%s]:%d" : "%s:%d", host, o->port);
    if (http_listen(server_http(s), address, &port, &err)) {
        fprintf(stderr, "brrr: %s\n", err.text);
        return EXIT_BIND;
    }
    if (unix_path) fprintf(stderr, "brrr: listening on %s\n", host);
    else
        fprintf(stderr,
                v6 ? "brrr: listening on %s://[%s]:%d\n" : "brrr: listening on %s://%s:%d\n",
                o->tls_cert ? "https" : "http", host, port);
    return EXIT_OK;
}

static int serve(struct server_opts *so, const struct options *o)
{
    struct server *s;
    struct brrr_error err;
    SSL_CTX *tls = so->http.tls;
    enum brrr_status st = server_open(&s, so, &err);

    so->keys = NULL;
    if (st) {
        SSL_CTX_free(tls);
        return cmd_fail(&err);
    }
    int code = listen_on(s, o);
    if (!code && !server_run(s)) code = EXIT_TERM;
    server_close(s);
    SSL_CTX_free(tls);
    return code;
}

int verb_serve(const struct options *o)
{
    struct server_opts so = { 0 };
    struct brrr_model *m = NULL;
    char name[256];
    int code;

    if ((code = session_engine_opts(&so.engine, o)) || (code = settle(&so, o)) ||
        (code = session_open(&m, o))) {
        keys_close(so.keys);
        SSL_CTX_free(so.http.tls);
        return code;
    }
    session_plan(&so.engine, o, m);
    if ((code = session_open_draft(&so.engine, o))) {
        keys_close(so.keys);
        SSL_CTX_free(so.http.tls);
    } else {
        model_name(name, sizeof(name), o->alias ? o->alias : cmd_model_path(o));
        so.model = m;
        so.name = name;
        code = serve(&so, o);
    }
    session_close_draft(&so.engine);
    brrr_model_close(m);
    return code;
}
