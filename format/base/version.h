/* The version of the tools; the format has its own (FORMAT.md). */
#ifndef ETW_FORMAT_BASE_VERSION_H
#define ETW_FORMAT_BASE_VERSION_H

#define ETW_VERSION "1.0.0"

#endif
