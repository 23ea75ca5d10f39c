#include "recorder/command/service.h"

#include <string.h>

bool etw_service_is_asked(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--service") == 0) {
            return true;
        }
    }
    return false;
}
