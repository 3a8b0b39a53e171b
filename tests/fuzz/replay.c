/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a plain main for fuzz targets: runs each file (or each file of each
 * folder) given as argument through LLVMFuzzerTestOneInput and counts them.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;

    if (!f || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(1);
    }
    /* Exactly the file's bytes, so that a sanitizer sees the first byte read past the end. */
    size_t n = (size_t)st.st_size;
    uint8_t *buf = malloc(n ? n : 1);
    if (!buf || fread(buf, 1, n, f) != n) {
        fprintf(stderr, "%s: cannot read\n", path);
        exit(1);
    }
    fclose(f);
    LLVMFuzzerTestOneInput(buf, n);
    free(buf);
    return 1;
}

static int replay(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    if (!d) return replay_file(path);
    while ((e = readdir(d))) {
        char sub[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        n += replay_file(sub);
    }
    closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    printf("%s: %d inputs replayed\n", argv[0], n);
    return 0;
}
