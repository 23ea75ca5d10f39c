#include "format/event/render/error_name.h"

#include <stddef.h>

/* Names by their places among all of a list: thousands of pointers would have to be set each time
 * that a program starts. */
typedef struct error_name {
    uint32_t code;
    uint32_t place;
} error_name;

/* Each table is sorted by code. */
#define LIST_NTSTATUS
#define NAME(code, name) char name[sizeof #name];
static const struct ntstatus_names {
#include "format/event/render/error_names.inc"
} ntstatus_names = {
#undef NAME
#define NAME(code, name) #name,
#include "format/event/render/error_names.inc"
};
#undef NAME
#define NAME(code, name) {code, offsetof(struct ntstatus_names, name)},
static const error_name ntstatuses[] = {
#include "format/event/render/error_names.inc"
};
#undef NAME
#undef LIST_NTSTATUS

#define LIST_WIN32
#define NAME(code, name) char name[sizeof #name];
static const struct win32_names {
#include "format/event/render/error_names.inc"
} win32_names = {
#undef NAME
#define NAME(code, name) #name,
#include "format/event/render/error_names.inc"
};
#undef NAME
#define NAME(code, name) {code, offsetof(struct win32_names, name)},
static const error_name win32_errors[] = {
#include "format/event/render/error_names.inc"
};
#undef NAME
#undef LIST_WIN32

#define LIST_HRESULT
#define NAME(code, name) char name[sizeof #name];
static const struct hresult_names {
#include "format/event/render/error_names.inc"
} hresult_names = {
#undef NAME
#define NAME(code, name) #name,
#include "format/event/render/error_names.inc"
};
#undef NAME
#define NAME(code, name) {code, offsetof(struct hresult_names, name)},
static const error_name hresults[] = {
#include "format/event/render/error_names.inc"
};
#undef NAME
#undef LIST_HRESULT

static const char *find(const error_name *table, size_t count, const void *names, uint32_t code)
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
    return low < count && table[low].code == code ? (const char *)names + table[low].place : NULL;
}

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

const char *etw_win32_error_name(uint32_t code)
{
    return find(win32_errors, COUNT_OF(win32_errors), &win32_names, code);
}

const char *etw_ntstatus_name(uint32_t code)
{
    return find(ntstatuses, COUNT_OF(ntstatuses), &ntstatus_names, code);
}

const char *etw_hresult_name(uint32_t code)
{
    if (code >> 16 == 0x8007u) {
        return etw_win32_error_name(code & 0xFFFFu);
    }
    return find(hresults, COUNT_OF(hresults), &hresult_names, code);
}
