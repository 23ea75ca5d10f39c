#include "recorder/boot/boot_registry.h"

#include "recorder/session/session_control_windows.h"
#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <windows.h>

/* FileName has at most so many units (the pages of both loggers). */
#define MAX_TEXT_UNITS 1024u

void etw_boot_append_windows_folder(etw_text *text)
{
    wchar_t folder[MAX_PATH] = L"";
    (void)GetSystemWindowsDirectoryW(folder, MAX_PATH);
    char *utf8 = etw_utf8_from_wide(folder);
    etw_text_append_z(text, utf8 == NULL ? "" : utf8);
    text->failed |= utf8 == NULL;
    free(utf8);
}

static etw_status refused(etw_error *error, LONG code, const char *what, const char *key)
{
    return code == ERROR_ACCESS_DENIED
               ? etw_error_set(error, ETW_ERROR_ACCESS,
                               "%s HKEY_LOCAL_MACHINE\\%s was denied: it needs an elevated "
                               "administrator",
                               what, key)
               : etw_error_set_windows(error, (unsigned long)code, "%s HKEY_LOCAL_MACHINE\\%s",
                                       what, key);
}

/* ---- Reading ---- */

/* UTF-8, owned; NULL where it is not there. */
static char *read_text(const wchar_t *key, const wchar_t *name)
{
    wchar_t text[MAX_TEXT_UNITS + 1];
    DWORD size = sizeof text;
    const LONG code = RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, NULL, text, &size);
    return code == ERROR_SUCCESS ? etw_utf8_from_wide(text) : NULL;
}

static bool read_number(const wchar_t *key, const wchar_t *name, uint32_t *number)
{
    DWORD size = sizeof *number;
    return RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_DWORD, NULL, number, &size) ==
           ERROR_SUCCESS;
}

static bool key_exists(const wchar_t *key)
{
    HKEY handle = NULL;
    const LONG code = RegOpenKeyExW(HKEY_LOCAL_MACHINE, key, 0, KEY_QUERY_VALUE, &handle);
    if (code == ERROR_SUCCESS) {
        (void)RegCloseKey(handle);
    }
    return code != ERROR_FILE_NOT_FOUND;
}

/* A key is ours where its file is the one that we would name: session NULL, the kernel's. */
static bool is_ours(const wchar_t *key, const char *session)
{
    etw_text folder = {0}, file = {0};
    char *named = read_text(key, L"FileName");
    etw_boot_append_windows_folder(&folder);
    etw_boot_append_file(etw_text_z(&folder), session, &file);
    const bool same = named != NULL && !file.failed && _stricmp(named, etw_text_z(&file)) == 0;
    etw_text_free(&folder);
    etw_text_free(&file);
    free(named);
    return same;
}

/* ---- Installing ---- */

static LONG set_value(HKEY key, const wchar_t *name, const etw_boot_value *value)
{
    const DWORD number = (DWORD)value->number;
    wchar_t *wide = NULL;
    LONG code = ERROR_NOT_ENOUGH_MEMORY;
    switch (value->kind) {
    case ETW_BOOT_NUMBER:
        return RegSetValueExW(key, name, 0, REG_DWORD, (const BYTE *)&number, sizeof number);
    case ETW_BOOT_LONG_NUMBER:
        return RegSetValueExW(key, name, 0, REG_QWORD, (const BYTE *)&value->number,
                              sizeof value->number);
    case ETW_BOOT_MASKS:
        return RegSetValueExW(key, name, 0, REG_BINARY, (const BYTE *)value->masks,
                              ETW_KERNEL_MASKS * sizeof value->masks[0]);
    case ETW_BOOT_TEXT:
        wide = etw_wide_from_utf8(value->text);
        if (wide != NULL) {
            code = RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)wide,
                                  (DWORD)((wcslen(wide) + 1) * sizeof *wide));
        }
        free(wide);
    }
    return code;
}

static etw_status write_value(void *context, const etw_boot_value *value, etw_error *error)
{
    (void)context;
    HKEY handle = NULL;
    wchar_t *key = etw_wide_from_utf8(value->key);
    wchar_t *name = etw_wide_from_utf8(value->name);
    LONG code = ERROR_NOT_ENOUGH_MEMORY;
    if (key != NULL && name != NULL) {
        code = RegCreateKeyExW(HKEY_LOCAL_MACHINE, key, 0, NULL, 0, KEY_SET_VALUE, NULL, &handle,
                               NULL);
    }
    if (code == ERROR_SUCCESS) {
        code = set_value(handle, name, value);
        (void)RegCloseKey(handle);
    }
    free(key);
    free(name);
    return code == ERROR_SUCCESS ? ETW_OK : refused(error, code, "writing", value->key);
}

static const char *name_or_default(const char *name)
{
    return name == NULL ? ETW_BOOT_SESSION : name;
}

/* One of our two keys. */
typedef struct boot_key {
    char *key; /* below HKEY_LOCAL_MACHINE; owned, as the next */
    wchar_t *wide;
    const char *session; /* NULL: the kernel's */
} boot_key;

static bool make_key(const char *session, boot_key *made)
{
    etw_text text = {0};
    etw_text_append_z(&text, session == NULL ? ETW_BOOT_GLOBAL_LOGGER : ETW_BOOT_AUTOLOGGER "\\");
    etw_text_append_z(&text, session == NULL ? "" : session);
    *made = (boot_key){.session = session};
    if (!text.failed) {
        made->key = strdup(etw_text_z(&text));
        made->wide = etw_wide_from_utf8(etw_text_z(&text));
    }
    etw_text_free(&text);
    return made->key != NULL && made->wide != NULL;
}

static void free_key(boot_key *key)
{
    free(key->key);
    free(key->wide);
}

/* Windows has sessions of the boot of its own, and others have theirs. What an earlier plan of ours
 * left is taken out: a provider that is no longer wanted must not stay. */
static etw_status make_room(const char *session, etw_error *error)
{
    boot_key key;
    etw_status status = ETW_OK;
    if (!make_key(session, &key)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a registry key");
    } else if (key_exists(key.wide) && !is_ours(key.wide, session)) {
        status = etw_error_set(error, ETW_ERROR_EXISTS,
                               "HKEY_LOCAL_MACHINE\\%s is there already, and not ours", key.key);
    } else if (key_exists(key.wide)) {
        const LONG code = RegDeleteTreeW(HKEY_LOCAL_MACHINE, key.wide);
        status = code == ERROR_SUCCESS ? ETW_OK : refused(error, code, "clearing", key.key);
    }
    free_key(&key);
    return status;
}

etw_status etw_boot_install(const etw_boot_request *request, etw_error *error)
{
    etw_status status = ETW_OK;
    if (request->session->provider_count > 0) {
        status = make_room(name_or_default(request->session->name), error);
    }
    if (status == ETW_OK && etw_session_wants_kernel(request->session)) {
        status = make_room(NULL, error);
    }
    return status == ETW_OK ? etw_boot_plan(request, write_value, NULL, error) : status;
}

/* ---- Finding and removing ---- */

static etw_status find_one(const char *session, etw_boot_session_visit visit, void *context,
                           uint32_t *count, etw_error *error)
{
    boot_key key;
    etw_status status = ETW_OK;
    if (!make_key(session, &key)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a registry key");
    } else if (is_ours(key.wide, session)) {
        uint32_t code = 0;
        char *file = read_text(key.wide, L"FileName");
        const bool was_started = read_number(key.wide, L"Status", &code);
        const etw_boot_session found = {.key = key.key,
                                        .name = session == NULL ? "NT Kernel Logger" : session,
                                        .file = file == NULL ? "" : file,
                                        .was_started = was_started,
                                        .code = code};
        (*count)++;
        status = visit(context, &found, error);
        free(file);
    }
    free_key(&key);
    return status;
}

etw_status etw_boot_find(const char *name, etw_boot_session_visit visit, void *context,
                         etw_error *error)
{
    const char *session = name_or_default(name);
    uint32_t count = 0;
    etw_status status = find_one(NULL, visit, context, &count, error);
    if (status == ETW_OK) {
        status = find_one(session, visit, context, &count, error);
    }
    return status == ETW_OK && count == 0
               ? etw_error_set(error, ETW_ERROR_NOT_FOUND, "no boot trace named '%s' is installed",
                               session)
               : status;
}

/* Whichever way Windows spells the path of its own folder. */
etw_status etw_boot_stop(const etw_boot_session *session, etw_error *error)
{
    const char *end = strstr(session->file, "\\" ETW_BOOT_LOG_FOLDER "\\");
    return etw_session_kill_writing(session->name, end == NULL ? session->file : end, error);
}

static etw_status remove_key(void *context, const etw_boot_session *session, etw_error *error)
{
    (void)context;
    wchar_t *key = etw_wide_from_utf8(session->key);
    const LONG code =
        key == NULL ? (LONG)ERROR_NOT_ENOUGH_MEMORY : RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
    free(key);
    return code == ERROR_SUCCESS ? ETW_OK : refused(error, code, "removing", session->key);
}

etw_status etw_boot_remove(const char *name, etw_error *error)
{
    return etw_boot_find(name, remove_key, NULL, error);
}
