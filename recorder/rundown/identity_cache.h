/* Which builds the host's images are, read from their files once each: processes share most. */
#ifndef ETW_RECORDER_IDENTITY_CACHE_H
#define ETW_RECORDER_IDENTITY_CACHE_H

#include "format/schema/pe_identity.h"

/* Files that are remembered, some 700 bytes each; those beyond are not looked at. */
#define ETW_IDENTITY_CACHE_MAX 8192u

typedef struct etw_identity_cache etw_identity_cache;

ETW_API etw_identity_cache *etw_identity_cache_new(void); /* NULL where memory is out */
ETW_API void etw_identity_cache_free(etw_identity_cache *cache);
/* path: UTF-8, as os opens it. NULL where the file cannot be read, is no PE file, or memory is out.
 * Lives as long as the cache. */
ETW_API const etw_pe_identity *etw_identity_of(etw_identity_cache *cache, const etw_os *os,
                                               const char *path);

#endif
