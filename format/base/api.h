/* How public functions are declared. The shared library exports these and nothing else: it is
 * compiled with hidden visibility, and the build takes the names for Windows' DLL from the marks.
 */
#ifndef ETW_FORMAT_BASE_API_H
#define ETW_FORMAT_BASE_API_H

#if defined(__GNUC__) && !defined(_WIN32)
#define ETW_API __attribute__((visibility("default")))
#else
#define ETW_API
#endif

/* A function whose result must be looked at. */
#if defined(__GNUC__)
#define ETW_API_CHECKED ETW_API __attribute__((warn_unused_result))
#else
#define ETW_API_CHECKED ETW_API
#endif

#endif
