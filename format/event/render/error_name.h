/* The names of Windows error codes: STATUS_ACCESS_DENIED, as WPP writes them behind the number.
 * Facts of the headers ntstatus.h and winerror.h (mingw-w64, public domain). NULL where there is
 * none. */
#ifndef ETW_FORMAT_EVENT_ERROR_NAME_H
#define ETW_FORMAT_EVENT_ERROR_NAME_H

#include <stdint.h>

const char *etw_win32_error_name(uint32_t code);
const char *etw_ntstatus_name(uint32_t code);
/* Codes of FACILITY_WIN32 (0x8007xxxx) have the Win32 error's name. */
const char *etw_hresult_name(uint32_t code);

#endif
