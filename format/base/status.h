/* Results of functions, and the text that explains them.
 *
 * Every function that can fail returns an etw_status. Where a reader wants to know more, the caller
 * passes an etw_error of its own; it may always be NULL. A message names what failed and where;
 * each layer that lets an error pass puts its own context in front, so the text reads from the
 * outside in: "a.etl: buffer 3 at 0x18000: record at 0x2f8: size 12 is below its header's 48". */
#ifndef ETW_FORMAT_BASE_STATUS_H
#define ETW_FORMAT_BASE_STATUS_H

#include "format/base/api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum etw_status {
    ETW_OK = 0,
    ETW_END,                    /* no more items: a result, not an error */
    ETW_AGAIN,                  /* nothing came in time, ask again: a result, not an error */
    ETW_ERROR_INVALID_ARGUMENT, /* the caller broke a stated rule */
    ETW_ERROR_NO_MEMORY,
    ETW_ERROR_LIMIT,       /* a stated maximum was met */
    ETW_ERROR_IO,          /* the operating system failed a read, write, open, ... */
    ETW_ERROR_NO_SPACE,    /* the target is full or over quota */
    ETW_ERROR_NOT_FOUND,   /* no such file, schema, session, provider, property */
    ETW_ERROR_EXISTS,      /* the name is taken (a session, an output file) */
    ETW_ERROR_ACCESS,      /* the operating system denied it */
    ETW_ERROR_NOT_THIS,    /* the bytes are not of the expected kind at all */
    ETW_ERROR_DAMAGED,     /* the bytes are of the kind, but broken here */
    ETW_ERROR_VERSION,     /* written by a newer, incompatible version */
    ETW_ERROR_UNSUPPORTED, /* well formed, but this build or machine cannot do it */
    ETW_ERROR_EXPIRED,     /* an event was used after its callback returned */
    ETW_ERROR_STOPPED,     /* stopped from outside, or cancelled */
    ETW_ERROR_INTERNAL     /* a defect of this library */
} etw_status;

/* Room for the whole chain of causes; longer text is cut at a character boundary. */
#define ETW_ERROR_MESSAGE_SIZE 1000u

typedef struct etw_error {
    etw_status status;
    int32_t os_code; /* errno or GetLastError of the first cause, 0 if none */
    char message[ETW_ERROR_MESSAGE_SIZE];
} etw_error;

#if defined(__GNUC__)
/* mingw-w64's default printf archetype is msvcrt's, which lacks %zu and %llu; ours is C99's. */
#if defined(__MINGW32__)
#define ETW_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(gnu_printf, format_index, first_index)))
#else
#define ETW_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(printf, format_index, first_index)))
#endif
#else
#define ETW_PRINTF(format_index, first_index)
#endif

/* No error, at the price of three stores: where every event may fail, clearing all of the message
 * would cost more than the event. */
static inline void etw_error_clear(etw_error *error)
{
    error->status = ETW_OK;
    error->os_code = 0;
    error->message[0] = '\0';
}

/* Sets the innermost cause and returns status, so that `return etw_error_set(...)` reads well. */
ETW_API etw_status etw_error_set(etw_error *error, etw_status status, const char *format, ...)
    ETW_PRINTF(3, 4);

/* As etw_error_set, with the operating system's own text for os_code appended. The status is chosen
 * from os_code: ENOSPC, EDQUOT and EFBIG give NO_SPACE, ENOENT NOT_FOUND, EACCES and EPERM ACCESS,
 * EEXIST EXISTS, ENOMEM NO_MEMORY, all else IO. os_code is an errno. */
ETW_API etw_status etw_error_set_os(etw_error *error, int os_code, const char *format, ...)
    ETW_PRINTF(3, 4);

/* INVALID_ARGUMENT, for a function that was called without something it needs: "path and source
 * must not be NULL" where what is "path and source". */
ETW_API etw_status etw_error_set_missing(etw_error *error, const char *what);

/* Puts "context: " in front of the message; the status stays. Returns error's status, or fallback
 * where error is NULL. */
ETW_API etw_status etw_error_wrap(etw_error *error, etw_status fallback, const char *format, ...)
    ETW_PRINTF(3, 4);

/* After a formatted print into text of size bytes that may have been cut: removes half a UTF-8
 * sequence at the end, since such texts end up on terminals and in JSON. A text that was not cut
 * stays. */
ETW_API void etw_trim_partial_utf8(char *text, size_t size);

/* A short fixed name such as "damaged"; never NULL. */
ETW_API const char *etw_status_name(etw_status status);

/* For the rare call whose failure does not matter: results must otherwise be looked at. */
static inline void etw_ignore(etw_status status)
{
    (void)status;
}

static inline bool etw_failed(etw_status status)
{
    return status > ETW_AGAIN;
}

#endif
