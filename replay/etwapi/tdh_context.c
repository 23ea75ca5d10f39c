#include "replay/etwapi/tdh_context.h"

#include "format/event/event.h"
#include "replay/etwapi/known_schemas.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define MAX_PATH_BYTES 4096u
/* TDH_CONTEXT_PDB_PATH, which mingw-w64's header lacks. */
#define CONTEXT_PDB_PATH 4

static const TDH_CONTEXT *find(const TDH_CONTEXT *contexts, ULONG count, int type)
{
    for (ULONG i = 0; contexts != NULL && i < count; i++) {
        if ((int)contexts[i].ParameterType == type) {
            return &contexts[i];
        }
    }
    return NULL;
}

static bool read_path(const TDH_CONTEXT *context, char path[MAX_PATH_BYTES])
{
    const wchar_t *wide = (const wchar_t *)(uintptr_t)context->ParameterValue;
    return wide != NULL &&
           WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, (int)MAX_PATH_BYTES, NULL, NULL) > 0;
}

static ULONG load(const char *path)
{
    return etwapi_has_manifest(path) || etwapi_load_manifest(path, NULL) == ETW_OK
               ? ERROR_SUCCESS
               : ERROR_FILE_NOT_FOUND;
}

/* A name without its folder is looked for in the search path. */
static ULONG load_in(const char *folder, const char *name)
{
    char path[2 * MAX_PATH_BYTES];
    const int size = snprintf(path, sizeof path, "%s\\%s", folder, name);
    return size > 0 && (size_t)size < sizeof path ? load(path) : (ULONG)ERROR_FILE_NOT_FOUND;
}

ULONG etwapi_load_formats(const TDH_CONTEXT *contexts, ULONG count)
{
    const TDH_CONTEXT *file = find(contexts, count, TDH_CONTEXT_WPP_TMFFILE);
    const TDH_CONTEXT *folder = find(contexts, count, TDH_CONTEXT_WPP_TMFSEARCHPATH);
    const TDH_CONTEXT *pdb = find(contexts, count, CONTEXT_PDB_PATH);
    char file_path[MAX_PATH_BYTES], folder_path[MAX_PATH_BYTES], pdb_path[MAX_PATH_BYTES];
    if ((file != NULL && !read_path(file, file_path)) ||
        (folder != NULL && !read_path(folder, folder_path)) ||
        (pdb != NULL && !read_path(pdb, pdb_path))) {
        return ERROR_INVALID_PARAMETER;
    }
    ULONG code = pdb == NULL ? (ULONG)ERROR_SUCCESS : load(pdb_path);
    if (file != NULL) {
        const ULONG loaded = load(file_path);
        const bool elsewhere = loaded != ERROR_SUCCESS && folder != NULL;
        code = elsewhere ? load_in(folder_path, file_path) : loaded;
    } else if (folder != NULL) {
        code = load(folder_path);
    }
    return code;
}

ULONG etwapi_pointer_size(const EVENT_RECORD *event, const TDH_CONTEXT *contexts, ULONG count)
{
    const USHORT told = EVENT_HEADER_FLAG_CLASSIC_HEADER | EVENT_HEADER_FLAG_TRACE_MESSAGE;
    const TDH_CONTEXT *context = find(contexts, count, TDH_CONTEXT_POINTERSIZE);
    const bool is_told = context != NULL && (event->EventHeader.Flags & told) != 0 &&
                         (context->ParameterValue == 4 || context->ParameterValue == 8);
    return is_told ? (ULONG)context->ParameterValue
                   : etw_record_pointer_size((const etw_event_record *)event, 8);
}
