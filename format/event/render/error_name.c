#include "format/event/render/error_name.h"

#include <stddef.h>

typedef struct error_name {
    uint32_t code;
    const char *name;
} error_name;

/* Each table is sorted by code. */
#define NAME(code, name) {code, #name},
#define LIST_NTSTATUS
static const error_name ntstatuses[] = {
#include "format/event/render/error_names.inc"
};
#undef LIST_NTSTATUS
#define LIST_WIN32
static const error_name win32_errors[] = {
#include "format/event/render/error_names.inc"
};
#undef LIST_WIN32
#define LIST_HRESULT
static const error_name hresults[] = {
#include "format/event/render/error_names.inc"
};
#undef LIST_HRESULT

static const char *find(const error_name *table, size_t count, uint32_t code)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (table[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && table[low].code == code ? table[low].name : NULL;
}

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

const char *etw_win32_error_name(uint32_t code)
{
    return find(win32_errors, COUNT_OF(win32_errors), code);
}

const char *etw_ntstatus_name(uint32_t code)
{
    return find(ntstatuses, COUNT_OF(ntstatuses), code);
}

const char *etw_hresult_name(uint32_t code)
{
    if (code >> 16 == 0x8007u) {
        return etw_win32_error_name(code & 0xFFFFu);
    }
    return find(hresults, COUNT_OF(hresults), code);
}
