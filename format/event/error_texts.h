/* Texts of error codes from Windows' own message tables, where the user gave them; the built-in
 * ones (render/error_text.h) serve otherwise. */
#ifndef ETW_FORMAT_EVENT_ERROR_TEXTS_H
#define ETW_FORMAT_EVENT_ERROR_TEXTS_H

#include "format/base/text.h"

typedef enum etw_error_table {
    ETW_ERRORS_OF_SYSTEM, /* kernel32: Win32 errors and HRESULTs */
    ETW_ERRORS_OF_NTDLL,  /* NTSTATUS */
    ETW_ERROR_TABLES
} etw_error_table;

/* The first member of the implementation's own structure. Used by several threads at once. */
typedef struct etw_error_texts etw_error_texts;
struct etw_error_texts {
    /* Sets text (UTF-8); false where the table has no such code. */
    bool (*get)(const etw_error_texts *self, etw_error_table table, uint32_t code, etw_text *text);
    void (*free)(etw_error_texts *self);
};

#endif
