/* The version of library and tools; the format has its own (FORMAT.md). */
#ifndef ETW_FORMAT_BASE_VERSION_H
#define ETW_FORMAT_BASE_VERSION_H

#include "format/base/api.h"

#define ETW_VERSION_MAJOR 1
#define ETW_VERSION_MINOR 1
#define ETW_VERSION_PATCH 0
#define ETW_VERSION       "1.1.0"

/* ETW_VERSION as the library that runs was built with: a program linked with a shared library may
 * meet a newer one. */
ETW_API const char *etw_version(void);

#endif
