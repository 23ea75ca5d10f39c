/* What folded files are compressed with: a dictionary of zstd's, made by
 * tests/support/fold_dictionary.py. It is part of the format, and is never changed: another one
 * gets another number. */
#ifndef ETW_FORMAT_ETWCAP_FOLD_DICTIONARY_H
#define ETW_FORMAT_ETWCAP_FOLD_DICTIONARY_H

#include <stdint.h>

#define ETW_FOLD_DICTIONARY      1u /* its number in files */
#define ETW_FOLD_DICTIONARY_SIZE 27687u

extern const uint8_t etw_fold_dictionary[ETW_FOLD_DICTIONARY_SIZE];

#endif
