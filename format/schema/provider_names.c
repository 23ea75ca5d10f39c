#include "format/schema/provider_names.h"

typedef struct known_name {
    etw_guid provider;
    const char *name;
} known_name;

static const known_name known_names[] = {
#include "format/schema/provider_names_table.inc"
};

bool etw_well_known_provider_at(size_t index, const etw_guid **provider, const char **name)
{
    if (index >= sizeof known_names / sizeof known_names[0]) {
        return false;
    }
    *provider = &known_names[index].provider;
    *name = known_names[index].name;
    return true;
}

const char *etw_well_known_provider_name(const etw_guid *provider)
{
    for (size_t i = 0; i < sizeof known_names / sizeof known_names[0]; i++) {
        if (etw_guid_equal(&known_names[i].provider, provider)) {
            return known_names[i].name;
        }
    }
    return NULL;
}
