/* The English texts of common Windows error codes, as FormatMessage gives them, without the line
 * break that ends them there.
 *
 * Windows has several ten thousand messages, in the language of the machine; here are the ones that
 * events carry often (facts from Microsoft's [MS-ERREF] and the system error code pages). For the
 * rest NULL is returned, and values read "Unknown ... Error code", which on Windows means that the
 * system itself has no text. */
#ifndef ETW_FORMAT_EVENT_ERROR_TEXT_H
#define ETW_FORMAT_EVENT_ERROR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *etw_win32_error_text(uint32_t code);
const char *etw_ntstatus_text(uint32_t code);
/* Codes of FACILITY_WIN32 (0x8007xxxx) are looked up as Win32 errors, as FormatMessage does. */
const char *etw_hresult_text(uint32_t code);

/* The code that has the text, of several the smallest; false where none has. */
bool etw_win32_error_of_text(const char *text, size_t size, uint32_t *code);
bool etw_ntstatus_of_text(const char *text, size_t size, uint32_t *code);
bool etw_hresult_of_text(const char *text, size_t size, uint32_t *code);

#endif
