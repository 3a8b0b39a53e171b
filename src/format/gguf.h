/* SPDX-License-Identifier: MIT */
/*
 * gguf.h - GGUF v2 and v3 files: untrusted bytes to named tensors and metadata.
 *
 * gguf_open() maps the file and checks all of its structure before anything is
 * used: magic, version, every count, length, type, offset and product. After
 * it returned BRRR_OK every slice and pointer handed out lies inside the
 * mapping, tensors neither overlap nor leave the file, and names are unique.
 * It does not know architectures; hyperparameters are read by the model layer
 * through the typed getters below, which check kind and range.
 *
 * Memory: one allocation for the tables, bounded by the size of the file. The
 * weights stay in the mapping: a file that is cut short while it is mapped turns
 * a later read of the missing part into SIGBUS. Replace model files by rename(2),
 * never by writing over them; the loader copies the weights once and then reads
 * the mapping no more.
 * Threads: immutable once open.
 * Source: the GGUF specification (ggml docs/gguf.md).
 */
#ifndef FORMAT_GGUF_H
#define FORMAT_GGUF_H

#include "base/qtypes.h"
#include "base/status.h"

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
};

/* One metadata entry. For arrays: `elem` and `n`; the elements start at `data`. */
struct gguf_kv {
    struct slice key;
    enum gguf_type type;
    enum gguf_type elem; /* of an array, else = type          */
    uint64_t n;          /* elements of an array, else 1      */
    const uint8_t *data; /* the first value byte (of a string: its length field) */
    uint64_t off;        /* where the value is in the file    */
};

struct gguf_tensor {
    struct slice name;
    enum qtype type;
    int n_dims;
    uint64_t dim[4]; /* dim[0] is the row length (weights per row); unused ones are 1 */
    const uint8_t *data;
    size_t n_bytes;
    uint64_t off; /* of the data in the file */
};

struct gguf;

enum brrr_status gguf_open(struct gguf **out, const char *path, struct brrr_error *err);
/* The same for bytes in memory (tests, fuzzing); they must outlive *out. `name` is for messages. */
enum brrr_status gguf_open_memory(struct gguf **out, const void *bytes, size_t n, const char *name,
                                  struct brrr_error *err);
void gguf_close(struct gguf *g); /* NULL and half-built objects are allowed */

const char *gguf_path(const struct gguf *g);
/* True if its pages come back from the file when they are given back; memory's do not. */
bool gguf_is_mapped(const struct gguf *g);
size_t gguf_file_bytes(const struct gguf *g);
uint32_t gguf_version(const struct gguf *g);
/* Of all bytes before the tensors' data: to tell files apart, not to trust them. */
uint64_t gguf_header_hash(const struct gguf *g);

size_t gguf_n_kv(const struct gguf *g);
const struct gguf_kv *gguf_kv_at(const struct gguf *g, size_t i);
const struct gguf_kv *gguf_find(const struct gguf *g, const char *key); /* NULL: absent */

size_t gguf_n_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);

/*
 * Typed getters. Absent key: with `need` an error, else BRRR_OK and *out is
 * left as it is (so preset the default). Wrong kind of value or out of
 * [lo, hi]: BRRR_E_FORMAT naming the key, the offset and the range. Any integer
 * type (and bool) is taken for integers; f32, f64 and integers for floats;
 * NaN and infinities are refused.
 */
enum gguf_need { GGUF_OPTIONAL, GGUF_NEEDED };
/* size: key, range and result belong together where hyperparameters are read */
enum brrr_status gguf_int(const struct gguf *g, const char *key, enum gguf_need need, int64_t lo,
                          int64_t hi, int64_t *out, struct brrr_error *err);
/* size: as gguf_int */
enum brrr_status gguf_float(const struct gguf *g, const char *key, enum gguf_need need, double lo,
                            double hi, double *out, struct brrr_error *err);
enum brrr_status gguf_bool(const struct gguf *g, const char *key, enum gguf_need need, bool *out,
                           struct brrr_error *err);
enum brrr_status gguf_str(const struct gguf *g, const char *key, enum gguf_need need,
                          struct slice *out, struct brrr_error *err);

/* The same for element i < kv->n of an array (or i = 0 of a scalar) already found. */
/* size: as gguf_int */
enum brrr_status gguf_elem_int(const struct gguf *g, const struct gguf_kv *kv, uint64_t i,
                               int64_t lo, int64_t hi, int64_t *out, struct brrr_error *err);
enum brrr_status gguf_elem_float(const struct gguf *g, const struct gguf_kv *kv, uint64_t i,
                                 double *out, struct brrr_error *err);

/*
 * The strings of an array of strings, in order, as a table for random access;
 * the caller frees *out with free(). Absent and optional: *out = NULL, *n = 0.
 */
enum brrr_status gguf_strings(const struct gguf *g, const char *key, enum gguf_need need,
                              struct slice **out, size_t *n, struct brrr_error *err);

#endif
