#include "replay/etwapi/provider_query.h"

#include "replay/etwapi/registrations.h"

#include <string.h>

#define INSTANCE_CLASSIC 1u /* TRACE_PROVIDER_FLAG_LEGACY */

/* The answer as it grows; beyond size it is only counted. */
typedef struct answer {
    const GUID *provider;
    BYTE *out;
    ULONG size, used;
    ULONG instances, last; /* last: where the last one begins */
} answer;

static void put(answer *to, const void *bytes, ULONG size)
{
    if (to->out != NULL && to->used + size <= to->size) {
        memcpy(to->out + to->used, bytes, size);
    }
    to->used += size;
}

static void put_enable(answer *to, const etwapi_enable *enable)
{
    const TRACE_ENABLE_INFO info = {.IsEnabled = 1,
                                    .Level = enable->how.level,
                                    .LoggerId = (USHORT)(enable->session & 0xFFFFu),
                                    .EnableProperty = enable->how.enable_property,
                                    .MatchAnyKeyword = enable->how.any_keyword,
                                    .MatchAllKeyword = enable->how.all_keyword};
    put(to, &info, sizeof info);
}

static void put_instance(void *context, const etwapi_registration *one)
{
    answer *to = context;
    if (memcmp(&one->id, to->provider, sizeof one->id) != 0) {
        return;
    }
    const ULONG begin = to->used;
    if (to->instances > 0 && to->used <= to->size) {
        const ULONG next = begin - to->last;
        memcpy(to->out + to->last, &next, sizeof next); /* NextOffset */
    }
    const TRACE_PROVIDER_INSTANCE_INFO info = {
        .EnableCount = one->enable_count,
        .Pid = GetCurrentProcessId(),
        .Flags = one->classic_callback != NULL ? INSTANCE_CLASSIC : 0};
    put(to, &info, sizeof info);
    for (ULONG i = 0; i < one->enable_count; i++) {
        put_enable(to, &one->enables[i]);
    }
    to->last = begin;
    to->instances++;
}

ULONG etwapi_query_provider(const GUID *provider, void *out, ULONG size, ULONG *returned)
{
    answer to = {.provider = provider,
                 .out = out,
                 .size = out == NULL ? 0 : size,
                 .used = sizeof(TRACE_GUID_INFO)};
    etwapi_visit_registrations(put_instance, &to);
    *returned = to.used;
    if (to.used > to.size) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    const TRACE_GUID_INFO head = {.InstanceCount = to.instances};
    memcpy(out, &head, sizeof head);
    return ERROR_SUCCESS;
}
