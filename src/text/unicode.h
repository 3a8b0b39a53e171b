/* SPDX-License-Identifier: MIT */
/*
 * unicode.h - the few character properties that the tokenizers need.
 *
 * Not a Unicode library: normalisation and categories come from utf8proc, the
 * classes of the regexes from PCRE2. White_Space is written out here because
 * PCRE2's own \s differs from what the tokenizers mean by it (it takes U+180E).
 *
 * Versions: PCRE2 10.42 knows Unicode 14, utf8proc 2.8 Unicode 15, the
 * tokenizers that models were trained with Unicode 15 or 16. Letters, digits
 * and marks that were assigned after version 14 are therefore split from their
 * neighbours as "other" here; text written in older scripts is not affected.
 * Threads: pure functions.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* White_Space as the inside of a regex class. */
#define UNI_SPACE_CLASS                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
bool uni_is_space(uint32_t cp);

#endif
