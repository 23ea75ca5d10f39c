#include "format/etwcap/fold_dictionary.h"

const uint8_t etw_fold_dictionary[ETW_FOLD_DICTIONARY_SIZE] = {
#include "format/etwcap/fold_dictionary.inc"
};
