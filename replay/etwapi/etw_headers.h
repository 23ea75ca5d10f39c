/* Windows' ETW headers for the code that implements what they declare: without dllimport. */
#ifndef ETW_REPLAY_ETWAPI_ETW_HEADERS_H
#define ETW_REPLAY_ETWAPI_ETW_HEADERS_H

#define WMIAPI __stdcall

#include <windows.h>

#include <evntrace.h>

#include <evntcons.h>
#include <tdh.h>

#endif
