#include "recorder/session/system_providers.h"

bool etw_has_system_providers(void)
{
    return false;
}
