#include "recorder/session/provider_fields.h"

#include <string.h>
#include <strings.h>

typedef struct keyword_search {
    const char *name; /* size bytes of it */
    size_t size;
    uint64_t mask;
    bool found;
} keyword_search;

static void match_keyword(void *context, uint64_t value, const char *name, const char *description)
{
    (void)description;
    keyword_search *search = context;
    if (strncasecmp(name, search->name, search->size) == 0 && name[search->size] == '\0') {
        search->mask |= value;
        search->found = true;
    }
}

etw_status etw_provider_keywords(const etw_guid *provider, const char *names, uint64_t *mask,
                                 etw_error *error)
{
    *mask = 0;
    for (const char *name = names; name != NULL;) {
        const char *plus = strchr(name, '+');
        keyword_search search = {name, plus == NULL ? strlen(name) : (size_t)(plus - name), 0,
                                 false};
        const etw_status status =
            etw_provider_fields(provider, ETW_PROVIDER_KEYWORDS, match_keyword, &search, error);
        if (status != ETW_OK) {
            return status;
        }
        if (!search.found) {
            return etw_error_set(error, ETW_ERROR_NOT_FOUND, "the provider has no keyword '%.*s'",
                                 (int)search.size, search.name);
        }
        *mask |= search.mask;
        name = plus == NULL ? NULL : plus + 1;
    }
    return ETW_OK;
}
