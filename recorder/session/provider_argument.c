#include "recorder/session/provider_argument.h"

bool etw_provider_parse(const char *text, etw_guid *id)
{
    if (text[0] == '*' && text[1] != '\0') {
        *id = etw_guid_from_provider_name(text + 1);
        return true;
    }
    return etw_guid_parse(text, id);
}
