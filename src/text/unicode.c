/* SPDX-License-Identifier: MIT */
/* unicode.c - see unicode.h. */
#include "text/unicode.h"

bool uni_is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    if (cp >= 0x2000 && cp <= 0x200a) return true;
    switch (cp) {
    case 0x85:
    case 0xa0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
        return true;
    }
    return false;
}
