#include "recorder/rundown/rundown_events.h"

#include "format/base/names.h"
#include "format/base/text.h"

#include <stdio.h>

#define HEAD_SIZE 4u /* kind, bytes of the start key behind the payload, payload size */
/* Bytes of UTF-8 of one text: what is left of a record's 64 KiB for the others is enough. */
#define MAX_TEXT 16384u
/* EVENT_TRACE_HEADER. */
#define CLASSIC_HEADER_SIZE 48u
/* Header ids of events that no thread logged, as the kernel's own rundown has them. */
#define NOBODY UINT32_MAX

/* Before the user data of an event of the kernel's own. */
#define KERNEL_HEAD_SIZE (sizeof(etw_event_header) + sizeof(etw_buffer_context))

enum { PROCESS, IMAGE, RSDS, FILE_VERSION, SERVICE, KERNEL };

static const struct {
    etw_guid event_class;
    uint8_t opcode, version;
} kinds[] = {
    {{0x3D6FA8D0, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}}, 3, 4},
    {{0x2CB15D1D, 0x5FC1, 0x11D2, {0xAB, 0xE1, 0x00, 0xA0, 0xC9, 0x11, 0xF5, 0x18}}, 3, 3},
    {{0xB3E675D7, 0x2554, 0x4F18, {0x83, 0x0B, 0x27, 0x62, 0x73, 0x25, 0x60, 0xDE}}, 36, 0},
    {{0xB3E675D7, 0x2554, 0x4F18, {0x83, 0x0B, 0x27, 0x62, 0x73, 0x25, 0x60, 0xDE}}, 64, 0},
    {{0x01853A65, 0x418F, 0x4F36, {0xAE, 0xFC, 0xDC, 0x0F, 0x1D, 0x2F, 0xD2, 0x35}}, 15, 3},
};

bool etw_rundown_is_image(const etw_event_record *record)
{
    return etw_guid_equal(&record->EventHeader.ProviderId, &kinds[IMAGE].event_class);
}

static size_t begin(etw_buffer *to, uint8_t kind)
{
    etw_buffer_append_u8(to, kind);
    etw_buffer_append_u8(to, 0);
    etw_buffer_append_u16(to, 0);
    return to->size;
}

static void end(etw_buffer *to, size_t payload_at)
{
    if (!to->failed) {
        etw_store_u16(to->data + payload_at - 2, (uint16_t)(to->size - payload_at));
    }
}

static size_t text_size(const char *utf8)
{
    const size_t size = strlen(utf8);
    return size < MAX_TEXT ? size : MAX_TEXT;
}

/* UTF-16 with its NUL. */
static void append_wide(etw_buffer *to, const char *utf8)
{
    const uint8_t *at = (const uint8_t *)utf8;
    size_t left = text_size(utf8);
    while (left > 0) {
        uint32_t character = 0;
        size_t step = etw_utf8_decode(at, left, &character);
        if (step == 0) {
            step = 1;
            character = 0xFFFD;
        }
        if (character >= 0x10000) {
            etw_buffer_append_u16(to, (uint16_t)(0xD800 + ((character - 0x10000) >> 10)));
            character = 0xDC00 + (character & 0x3FF);
        }
        etw_buffer_append_u16(to, (uint16_t)character);
        at += step;
        left -= step;
    }
    etw_buffer_append_u16(to, 0);
}

static void append_narrow(etw_buffer *to, const char *utf8)
{
    etw_buffer_append(to, utf8, text_size(utf8));
    etw_buffer_append_u8(to, 0);
}

/* TOKEN_USER of 64 bits, whose pointer means nothing here, and the SID; 4 zeros: none. */
static void append_sid(etw_buffer *to, etw_bytes sid)
{
    if (sid.size == 0) {
        etw_buffer_append_u32(to, 0);
        return;
    }
    etw_buffer_append_u64(to, 1);
    etw_buffer_append_u64(to, 0);
    etw_buffer_append(to, sid.data, sid.size);
}

static void append_start_key(etw_buffer *to, size_t payload_at, uint64_t start_key)
{
    if (start_key != 0 && !to->failed) {
        to->data[payload_at - 3] = sizeof start_key;
        etw_buffer_append_u64(to, start_key);
    }
}

void etw_rundown_events_process(etw_buffer *to, const etw_rundown_process_facts *facts)
{
    const size_t at = begin(to, PROCESS);
    etw_buffer_append_u64(to, 0); /* UniqueProcessKey */
    etw_buffer_append_u32(to, facts->process_id);
    etw_buffer_append_u32(to, facts->parent_id);
    etw_buffer_append_u32(to, facts->session_id);
    etw_buffer_append_u32(to, 259); /* ExitStatus: STILL_ACTIVE */
    etw_buffer_append_u64(to, 0);   /* DirectoryTableBase */
    etw_buffer_append_u32(to, 0);   /* Flags */
    append_sid(to, facts->sid);
    append_narrow(to, facts->name);
    append_wide(to, facts->command_line);
    append_wide(to, ""); /* PackageFullName */
    append_wide(to, ""); /* ApplicationId */
    end(to, at);
    append_start_key(to, at, facts->start_key);
}

void etw_rundown_events_kernel(etw_buffer *to, etw_bytes event, uint64_t start_key)
{
    if (event.size < KERNEL_HEAD_SIZE || event.size > UINT16_MAX) {
        return;
    }
    const size_t at = begin(to, KERNEL);
    etw_buffer_append(to, event.data, event.size);
    end(to, at);
    append_start_key(to, at, start_key);
}

void etw_rundown_events_service(etw_buffer *to, const etw_rundown_service_facts *facts)
{
    const size_t at = begin(to, SERVICE);
    etw_buffer_append_u32(to, facts->process_id);
    etw_buffer_append_u32(to, facts->state);
    etw_buffer_append_u32(to, 0); /* SubProcessTag */
    append_wide(to, facts->name);
    append_wide(to, facts->display_name);
    for (int i = 0; i < 3; i++) { /* ProcessName, LoadOrderGroup, SvchostGroup */
        append_wide(to, "");
    }
    end(to, at);
}

static void append_rsds(etw_buffer *to, const etw_rundown_image_facts *facts)
{
    const size_t at = begin(to, RSDS);
    etw_buffer_append_u64(to, facts->base);
    etw_buffer_append_u32(to, facts->process_id);
    etw_buffer_append(to, &facts->identity->pdb_guid, sizeof facts->identity->pdb_guid);
    etw_buffer_append_u32(to, facts->identity->pdb_age);
    append_narrow(to, facts->identity->pdb_name);
    end(to, at);
}

static void append_version(etw_buffer *to, const etw_rundown_image_facts *facts)
{
    const etw_pe_identity *identity = facts->identity;
    const uint16_t *parts = identity->file_version;
    char version[32];
    (void)snprintf(version, sizeof version, "%u.%u.%u.%u", parts[0], parts[1], parts[2], parts[3]);
    const size_t at = begin(to, FILE_VERSION);
    etw_buffer_append_u32(to, identity->size_of_image);
    etw_buffer_append_u32(to, identity->time_date_stamp);
    append_wide(to, etw_name_last_part(facts->path)); /* OrigFileName */
    append_wide(to, "");                              /* FileDescription */
    append_wide(to, version);                         /* FileVersion */
    append_wide(to, version);                         /* BinFileVersion */
    for (int i = 0; i < 6; i++) {                     /* VerLanguage ... ProgramId */
        append_wide(to, "");
    }
    end(to, at);
}

void etw_rundown_events_image(etw_buffer *to, const etw_rundown_image_facts *facts)
{
    const etw_pe_identity *identity = facts->identity;
    const size_t at = begin(to, IMAGE);
    etw_buffer_append_u64(to, facts->base);
    etw_buffer_append_u64(to, facts->size);
    etw_buffer_append_u32(to, facts->process_id);
    etw_buffer_append_u32(to, identity == NULL ? 0 : identity->checksum);
    etw_buffer_append_u32(to, identity == NULL ? 0 : identity->time_date_stamp);
    etw_buffer_append_u32(to, 0); /* SignatureLevel, SignatureType, Reserved0 */
    etw_buffer_append_u64(to, 0); /* DefaultBase */
    for (int i = 0; i < 4; i++) { /* Reserved1 to Reserved4 */
        etw_buffer_append_u32(to, 0);
    }
    append_wide(to, facts->path);
    end(to, at);
    etw_rundown_events_identity(to, facts);
}

void etw_rundown_events_identity(etw_buffer *to, const etw_rundown_image_facts *facts)
{
    const etw_pe_identity *identity = facts->identity;
    if (identity != NULL && identity->has_pdb) {
        append_rsds(to, facts);
    }
    if (identity != NULL && identity->has_version) {
        append_version(to, facts);
    }
}

static void read_made(uint8_t kind, etw_bytes payload, etw_event_record *record)
{
    *record = (etw_event_record){
        .EventHeader = {.Size = (uint16_t)(CLASSIC_HEADER_SIZE + payload.size),
                        .Flags = ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_64_BIT_HEADER,
                        .ThreadId = NOBODY,
                        .ProcessId = NOBODY,
                        .ProviderId = kinds[kind].event_class,
                        .EventDescriptor = {.Version = kinds[kind].version,
                                            .Opcode = kinds[kind].opcode}},
        .BufferContext = {.LoggerId = ETW_RUNDOWN_LOGGER_ID},
        .UserDataLength = (uint16_t)payload.size,
        .UserData = (void *)(uintptr_t)payload.data};
}

static void read_kernels(etw_bytes payload, etw_event_record *record)
{
    *record = (etw_event_record){.UserDataLength = (uint16_t)(payload.size - KERNEL_HEAD_SIZE),
                                 .UserData = (void *)(uintptr_t)(payload.data + KERNEL_HEAD_SIZE)};
    memcpy(&record->EventHeader, payload.data, sizeof record->EventHeader);
    memcpy(&record->BufferContext, payload.data + sizeof record->EventHeader,
           sizeof record->BufferContext);
    record->EventHeader.Flags &= (uint16_t)~ETW_FLAG_EXTENDED_INFO;
    record->BufferContext.LoggerId = ETW_RUNDOWN_KERNEL_LOGGER_ID;
}

bool etw_rundown_events_next(etw_bytes *left, etw_rundown_event *event)
{
    if (left->size < HEAD_SIZE) {
        return false;
    }
    const uint8_t kind = left->data[0], key_size = left->data[1];
    const uint16_t size = etw_load_u16(left->data + 2);
    const etw_bytes payload = {left->data + HEAD_SIZE, size};
    if (kind > KERNEL || (kind == KERNEL && size < KERNEL_HEAD_SIZE) ||
        key_size % sizeof(uint64_t) != 0 || (size_t)size + key_size > left->size - HEAD_SIZE) {
        return false;
    }
    if (kind == KERNEL) {
        read_kernels(payload, &event->record);
    } else {
        read_made(kind, payload, &event->record);
    }
    if (key_size > 0) {
        event->item = (etw_extended_data_item){.ExtType = ETW_EXT_PROCESS_START_KEY,
                                               .DataSize = key_size,
                                               .DataPtr = (uintptr_t)(payload.data + size)};
        event->record.EventHeader.Flags |= ETW_FLAG_EXTENDED_INFO;
        event->record.ExtendedDataCount = 1;
        event->record.ExtendedData = &event->item;
    }
    left->data = payload.data + size + key_size;
    left->size -= HEAD_SIZE + (size_t)size + key_size;
    return true;
}
