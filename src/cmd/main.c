/* SPDX-License-Identifier: MIT */
/*
 * main.c - brrr: a table of verbs.
 *
 * The answer goes to stdout, everything else to stderr. A closed pipe on
 * stdout ends the program quietly. Exit codes: cmd.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/cpu.h"
#include "cmd/cmd.h"
#include "cmd/suggest.h"

static const struct {
    const char *name, *operands, *help;
    int (*run)(const struct options *o);
} verbs[] = {
#define VERB(name, operands, help) { #name, operands, help, verb_##name },
#include "cmd/verbs.def"
#undef VERB
};

static void usage(FILE *to)
{
    fputs("usage: brrr VERB [options]\n       brrr --version\n\n", to);
    for (size_t i = 0; i < COUNT(verbs); i++)
        fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].help);
    fputs("\n`brrr VERB --help` lists the options of a verb.\n", to);
}

/* A mistyped verb; or what a newcomer says first: a question, or a file. */
static int unknown_verb(const char *word)
{
    struct suggestion s;
    char buf[64];
    const char *hint;

    suggest_start(&s, word, strlen(word));
    for (size_t i = 0; i < COUNT(verbs); i++)
        suggest_offer(&s, verbs[i].name, strlen(verbs[i].name));
    hint = suggest_text(&s, "", buf, sizeof(buf));
    if (access(word, F_OK) == 0) hint = " (to talk to a model file: brrr chat FILE)";
    else if (strchr(word, ' ')) hint = " (to get an answer to a text: brrr run TEXT)";
    fprintf(stderr, "brrr: unknown verb '%s'%s; `brrr --help` lists them\n", word, hint);
    return EXIT_USAGE;
}

static int dispatch(const char *word, int argc, char **argv)
{
    struct options o;

    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (strcmp(word, verbs[i].name) != 0) continue;
        if (!options_parse(&o, word, argc, argv)) return EXIT_USAGE;
        if (o.help) {
            options_help(word, stdout);
            return EXIT_OK;
        }
        return verbs[i].run(&o);
    }
    return unknown_verb(word);
}

static int run(int argc, char **argv)
{
    if (!cpu_cap_valid()) {
        fprintf(stderr, "brrr: BRRR_CPU must be c, avx2 or avx512\n");
        return EXIT_USAGE;
    }
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("brrr " BRRR_VERSION);
        return EXIT_OK;
    }
    return dispatch(argv[1], argc - 2, argv + 2);
}

/* Did all of the answer get out? A reader that went away (head) has what it wanted: no failure. */
static int close_stdout(int code)
{
    struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != EXIT_OK) return code;
    int reason = errno;
    if (poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP)) return EXIT_OK;
    fprintf(stderr, "brrr: cannot write the answer to standard output%s%s\n", reason ? ": " : "",
            reason ? strerror(reason) : "");
    return EXIT_DISK;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(), not our end */
    return close_stdout(run(argc, argv));
}
