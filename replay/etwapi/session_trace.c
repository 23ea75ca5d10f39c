#include "replay/etwapi/session_trace.h"

#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/settings.h"
#include "replay/replay.h"

#include <windows.h>

static BOOL CALLBACK read_trace(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)parameter;
    (void)context;
    const char *path = etwapi_get_settings()->trace_path;
    etw_replay *replay = NULL;
    const etw_event *event;
    if (path[0] != '\0' && etw_replay_open(path, NULL, &replay, NULL) == ETW_OK) {
        while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
            etwapi_learn(event);
        }
        etw_replay_close(replay);
    }
    return TRUE;
}

void etwapi_know_trace(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    (void)InitOnceExecuteOnce(&once, read_trace, NULL, NULL);
}
