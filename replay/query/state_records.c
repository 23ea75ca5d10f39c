/* Which records tell of processes, threads and images, and where in them. The layouts are those of
 * format/schema/classic_table.inc and of Microsoft-Windows-Kernel-Process' manifest, read from the
 * bytes: no schema is needed, and most records cost one comparison. */
#include "replay/query/state_lives.h"

#include "format/event/extended.h"

enum { OPCODE_START = 1, OPCODE_END = 2, OPCODE_DC_START = 3, OPCODE_DC_END = 4 };
enum { OPCODE_IMAGE_LOAD = 10, OPCODE_DEFUNCT = 39 };
enum { OPCODE_COLLECTION_START = 73 };
enum { OPCODE_RSDS = 36, OPCODE_SERVICES = 15 };
enum { ID_PROCESS_START = 1, ID_PROCESS_STOP = 2, ID_THREAD_START = 3, ID_THREAD_STOP = 4 };
enum { ID_IMAGE_LOAD = 5, ID_IMAGE_UNLOAD = 6, ID_PROCESS_RUNDOWN = 15 };
/* 139 and 140 are those of the runtime's own rundown, until version 4. */
enum { ID_METHOD_START_V2 = 139, ID_METHOD_END_V2 = 140 };
enum { ID_METHOD_LOAD_VERBOSE = 143, ID_METHOD_UNLOAD_VERBOSE = 144, ID_R2R_ENTRY_POINT = 159 };

/* Event classes and providers; the first LEARNT_COUNT are those that the state learns from, the
 * next ones up to STACKS_COUNT tell of stacks. */
static const etw_guid classes[] = {
    {0x3D6FA8D0, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}},
    {0x3D6FA8D1, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}},
    {0x22FB2CD6, 0x0E7B, 0x422B, {0xA0, 0xC7, 0x2F, 0xAD, 0x1F, 0xD0, 0xE7, 0x16}},
    {0x01853A65, 0x418F, 0x4F36, {0xAE, 0xFC, 0xDC, 0x0F, 0x1D, 0x2F, 0xD2, 0x35}},
    {0x2CB15D1D, 0x5FC1, 0x11D2, {0xAB, 0xE1, 0x00, 0xA0, 0xC9, 0x11, 0xF5, 0x18}},
    {0xCE1DBFB4, 0x137E, 0x4DA6, {0x87, 0xB0, 0x3F, 0x59, 0xAA, 0x10, 0x2C, 0xBC}},
    {0xB3E675D7, 0x2554, 0x4F18, {0x83, 0x0B, 0x27, 0x62, 0x73, 0x25, 0x60, 0xDE}},
    {0xDEF2FE46, 0x7BD6, 0x4B80, {0xBD, 0x94, 0xF5, 0x7F, 0xE2, 0x0D, 0x0C, 0xE3}},
    {0xE13C0D23, 0xCCBC, 0x4E12, {0x93, 0x1B, 0xD9, 0xCC, 0x2E, 0xEE, 0x27, 0xE4}},
    {0x763FD754, 0x7086, 0x4DFE, {0x95, 0xEB, 0xC0, 0x1A, 0x46, 0xFA, 0xF4, 0xCA}},
    {0xA669021C, 0xC450, 0x4609, {0xA0, 0x35, 0x5A, 0xF5, 0x9A, 0xF4, 0xDF, 0x18}},
    {0x3D6FA8D4, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}},
    {0x90CBDC39, 0x4A3E, 0x11D1, {0x84, 0xF4, 0x00, 0x00, 0xF8, 0x04, 0x64, 0xE3}},
    {0x3D6FA8D3, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}},
    {0x9A280AC0, 0xC8E0, 0x11D1, {0x84, 0xE2, 0x00, 0xC0, 0x4F, 0xB9, 0x98, 0xA2}},
    {0xBF3A50C5, 0xA9C9, 0x4988, {0xA0, 0x05, 0x2D, 0xF0, 0xB7, 0xC8, 0x0F, 0x80}},
};
/* In the same order. */
static const etw_kernel_group groups[] = {
    ETW_KERNEL_PROCESS,  ETW_KERNEL_THREAD,     ETW_KERNEL_PROCESS_PROVIDER,
    ETW_KERNEL_CONFIG,   ETW_KERNEL_IMAGE,      ETW_KERNEL_PERF_INFO,
    ETW_KERNEL_IMAGE_ID, ETW_KERNEL_STACK_WALK, ETW_CLR,
    ETW_CLR_PRIVATE,     ETW_CLR_RUNDOWN,       ETW_KERNEL_DISK_IO,
    ETW_KERNEL_FILE_IO,  ETW_KERNEL_PAGE_FAULT, ETW_KERNEL_TCP_IP,
    ETW_KERNEL_UDP_IP,
};

const etw_guid *etw_state_providers(etw_state_depth depth, uint32_t *count)
{
    static const uint32_t counts[] = {4, 7, 11}; /* by depth */
    *count = counts[depth];
    return classes;
}

static bool is_lasting(uint8_t opcode)
{
    return opcode >= OPCODE_START && opcode <= OPCODE_DC_END;
}

static bool wants_classic(etw_state_depth depth, etw_kernel_group group, uint8_t opcode)
{
    const bool with_images = depth >= ETW_STATE_IMAGES;
    switch (group) {
    case ETW_KERNEL_PROCESS:
        return is_lasting(opcode) || opcode == OPCODE_DEFUNCT;
    case ETW_KERNEL_THREAD:
        return is_lasting(opcode);
    case ETW_KERNEL_CONFIG:
        return opcode == OPCODE_SERVICES;
    case ETW_KERNEL_IMAGE:
        return with_images && (is_lasting(opcode) || opcode == OPCODE_IMAGE_LOAD);
    case ETW_KERNEL_IMAGE_ID:
        return with_images && opcode == OPCODE_RSDS;
    case ETW_KERNEL_PERF_INFO:
        return with_images && opcode == OPCODE_COLLECTION_START;
    default:
        return false;
    }
}

static bool wants_modern(etw_state_depth depth, etw_kernel_group group, uint16_t id)
{
    switch (group) {
    case ETW_KERNEL_PROCESS_PROVIDER:
        return depth >= ETW_STATE_IMAGES || (id != ID_IMAGE_LOAD && id != ID_IMAGE_UNLOAD);
    case ETW_CLR:
    case ETW_CLR_RUNDOWN:
        return depth >= ETW_STATE_STACKS &&
               (id == ID_METHOD_START_V2 || id == ID_METHOD_END_V2 ||
                id == ID_METHOD_LOAD_VERBOSE || id == ID_METHOD_UNLOAD_VERBOSE ||
                id == ID_R2R_ENTRY_POINT);
    default:
        return false;
    }
}

bool etw_state_wants(etw_state_depth depth, const etw_event_header *header)
{
    const etw_kernel_group group = etw_kernel_group_of(&header->ProviderId);
    const etw_event_descriptor *descriptor = &header->EventDescriptor;
    return (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0
               ? wants_classic(depth, group, descriptor->Opcode)
               : wants_modern(depth, group, descriptor->Id);
}

etw_kernel_group etw_kernel_group_of(const etw_guid *provider)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].Data1 == provider->Data1 && etw_guid_equal(&classes[i], provider)) {
            return groups[i];
        }
    }
    return ETW_KERNEL_OTHER;
}

/* What is fed, with what it takes to read it. */
typedef struct feeding {
    etw_state *state;
    const etw_event_record *record;
    uint16_t host;
    int64_t time_100ns;
    uint32_t pointer_size;
    etw_cursor cursor;
    uint8_t opcode, version;
    etw_text text; /* of one string */
} feeding;

static uint64_t take_pointer(feeding *f)
{
    return f->pointer_size == 8 ? etw_cursor_u64(&f->cursor) : etw_cursor_u32(&f->cursor);
}

static const char *keep(feeding *f)
{
    const char *kept = f->text.failed ? "" : etw_state_text(f->state, f->text.data, f->text.size);
    f->state->is_out_of_memory = f->state->is_out_of_memory || f->text.failed;
    etw_text_clear(&f->text);
    return kept;
}

static const char *take_narrow(feeding *f)
{
    const size_t left = etw_cursor_left(&f->cursor);
    const size_t size = etw_narrow_length_bytes(f->cursor.at, left);
    const uint8_t *bytes = etw_cursor_take(&f->cursor, size);
    (void)etw_cursor_take(&f->cursor, size < left ? 1 : 0);
    if (bytes == NULL) {
        return "";
    }
    etw_text_append_ansi(&f->text, bytes, size, ETW_ESCAPE_NONE);
    return keep(f);
}

static const char *take_wide(feeding *f)
{
    const size_t left = etw_cursor_left(&f->cursor);
    const size_t size = etw_utf16_length_bytes(f->cursor.at, left);
    const uint8_t *bytes = etw_cursor_take(&f->cursor, size);
    (void)etw_cursor_take(&f->cursor, left - size >= 2 ? 2 : 0);
    if (bytes == NULL) {
        return "";
    }
    etw_text_append_utf16(&f->text, bytes, size, ETW_ESCAPE_NONE);
    return keep(f);
}

static const char *append_sid(feeding *f, const uint8_t *sid)
{
    const etw_bytes bytes = {sid, 8u + 4u * sid[1]};
    (void)etw_text_append_sid(&f->text, bytes);
    return keep(f);
}

/* A bare SID. */
static const char *take_bare_sid(feeding *f)
{
    if (etw_cursor_left(&f->cursor) < 8) {
        f->cursor.failed = true;
        return "";
    }
    const uint8_t *sid = etw_cursor_take(&f->cursor, 8u + 4u * f->cursor.at[1]);
    return sid == NULL ? "" : append_sid(f, sid);
}

/* Four zeros, or TOKEN_USER (two pointers, the first not 0) and a SID. */
static const char *take_sid(feeding *f)
{
    if (etw_cursor_left(&f->cursor) < 4 || etw_load_u32(f->cursor.at) == 0) {
        (void)etw_cursor_u32(&f->cursor);
        return "";
    }
    (void)etw_cursor_take(&f->cursor, 2 * (size_t)f->pointer_size);
    return take_bare_sid(f);
}

static etw_life_event life_event_of(uint8_t opcode)
{
    return opcode == OPCODE_START ? ETW_LIFE_START
           : opcode == OPCODE_END ? ETW_LIFE_END
                                  : ETW_LIFE_IS;
}

static void feed_process(feeding *f)
{
    etw_process_told told = {.has_parent = true, .session_id = UINT32_MAX};
    if (f->opcode == OPCODE_DEFUNCT) { /* ended long ago; most were never alive in the trace */
        f->state->totals.defunct++;
        return;
    }
    if (f->opcode < OPCODE_START || f->opcode > OPCODE_DC_END) {
        return;
    }
    if (f->version == 0) {
        told.process_id = (uint32_t)take_pointer(f);
        told.parent_id = (uint32_t)take_pointer(f);
    } else {
        (void)take_pointer(f);
        told.process_id = etw_cursor_u32(&f->cursor);
        told.parent_id = etw_cursor_u32(&f->cursor);
        told.session_id = etw_cursor_u32(&f->cursor);
        told.exit_status = etw_cursor_u32(&f->cursor);
        told.has_exit_status = f->opcode == OPCODE_END;
    }
    if (f->version >= 3) {
        (void)take_pointer(f);
    }
    if (f->version >= 4) {
        (void)etw_cursor_u32(&f->cursor);
    }
    if (f->cursor.failed) {
        return;
    }
    if (!etw_record_process_start_key(f->record, &told.start_key)) {
        told.start_key = 0;
    }
    told.user = take_sid(f);
    told.name = take_narrow(f);
    told.command_line = f->version >= 2 ? take_wide(f) : "";
    etw_state_process_told(f->state, f->host, f->time_100ns, life_event_of(f->opcode), &told);
}

/* SystemConfig's Services: each that is installed, with the process in which it runs. */
static void feed_config(feeding *f)
{
    etw_process_told told = {.session_id = UINT32_MAX};
    if (f->opcode != OPCODE_SERVICES || f->version < 2) {
        return;
    }
    told.process_id = etw_cursor_u32(&f->cursor);
    (void)etw_cursor_take(&f->cursor, 8); /* state and tag */
    if (f->cursor.failed || told.process_id == 0) {
        return;
    }
    told.service = take_wide(f);
    etw_state_process_told(f->state, f->host, f->time_100ns, ETW_LIFE_IS, &told);
}

static void feed_thread(feeding *f)
{
    if (f->opcode < OPCODE_START || f->opcode > OPCODE_DC_END) {
        return;
    }
    const uint32_t first = etw_cursor_u32(&f->cursor), second = etw_cursor_u32(&f->cursor);
    if (!f->cursor.failed) {
        etw_state_thread_told(f->state, f->host, f->time_100ns, life_event_of(f->opcode),
                              f->version == 0 ? first : second, f->version == 0 ? second : first);
    }
}

static void feed_image(feeding *f)
{
    const bool is_load = f->opcode == OPCODE_IMAGE_LOAD;
    if (!is_load && (f->opcode < OPCODE_END || f->opcode > OPCODE_DC_END)) {
        return;
    }
    etw_state_image told = {.process_id = f->record->EventHeader.ProcessId};
    told.base = take_pointer(f);
    told.size = f->version == 0 ? etw_cursor_u32(&f->cursor) : take_pointer(f);
    if (f->version >= 1) {
        told.process_id = etw_cursor_u32(&f->cursor);
    }
    if (f->version >= 2) {
        told.checksum = etw_cursor_u32(&f->cursor);
        told.time_date_stamp = etw_cursor_u32(&f->cursor);
        (void)etw_cursor_u32(&f->cursor);
        (void)take_pointer(f);
        (void)etw_cursor_take(&f->cursor, 16);
    }
    if (f->cursor.failed) {
        return;
    }
    told.path = take_wide(f);
    (void)etw_state_image_told(f->state, f->host, f->time_100ns,
                               is_load ? ETW_LIFE_START : life_event_of(f->opcode), &told);
}

static void feed_image_id(feeding *f)
{
    etw_state_image told = {0};
    told.base = take_pointer(f);
    told.process_id = etw_cursor_u32(&f->cursor);
    const uint8_t *guid = etw_cursor_take(&f->cursor, sizeof told.pdb_guid);
    told.pdb_age = etw_cursor_u32(&f->cursor);
    if (f->opcode != OPCODE_RSDS || f->cursor.failed) {
        return;
    }
    memcpy(&told.pdb_guid, guid, sizeof told.pdb_guid);
    told.pdb_name = take_narrow(f);
    etw_state_image_identified(f->state, f->host, &told);
}

static void feed_perf_info(feeding *f)
{
    if (f->opcode == OPCODE_COLLECTION_START) {
        const uint32_t source = etw_cursor_u32(&f->cursor);
        const uint32_t interval_100ns = etw_cursor_u32(&f->cursor);
        if (!f->cursor.failed && source == 0 && f->state->sample_100ns == 0) {
            f->state->sample_100ns = interval_100ns;
        }
    }
}

static void feed_provider_start(feeding *f, bool is_rundown)
{
    /* Version 3 of a start, 1 of a rundown has sequence numbers and the token. */
    const bool has_sequence = f->version >= (is_rundown ? 1 : 3);
    const bool has_flags = is_rundown || f->version >= 1;
    etw_process_told told = {.has_parent = true};
    told.process_id = etw_cursor_u32(&f->cursor);
    (void)etw_cursor_take(&f->cursor, has_sequence ? 16 : 8); /* the time of creation behind it */
    told.parent_id = etw_cursor_u32(&f->cursor);
    (void)etw_cursor_take(&f->cursor, has_sequence ? 8 : 0);
    told.session_id = etw_cursor_u32(&f->cursor);
    (void)etw_cursor_take(&f->cursor, has_flags ? 4 : 0);
    if (has_sequence) {
        (void)etw_cursor_take(&f->cursor, 8);
        (void)take_bare_sid(f); /* the integrity level */
    }
    if (f->cursor.failed) {
        return;
    }
    told.path = take_wide(f);
    told.name = etw_path_last_part(told.path);
    etw_state_process_told(f->state, f->host, f->time_100ns,
                           is_rundown ? ETW_LIFE_IS : ETW_LIFE_START, &told);
}

static void feed_provider_image(feeding *f, bool is_load)
{
    etw_state_image told = {.path = ""};
    told.base = take_pointer(f);
    told.size = take_pointer(f);
    told.process_id = etw_cursor_u32(&f->cursor);
    told.checksum = etw_cursor_u32(&f->cursor);
    told.time_date_stamp = etw_cursor_u32(&f->cursor);
    (void)take_pointer(f);
    if (!f->cursor.failed) {
        told.path = take_wide(f);
        (void)etw_state_image_told(f->state, f->host, f->time_100ns,
                                   is_load ? ETW_LIFE_START : ETW_LIFE_END, &told);
    }
}

/* Microsoft-Windows-Kernel-Process. */
static void feed_process_provider(feeding *f)
{
    const uint16_t id = f->record->EventHeader.EventDescriptor.Id;
    if (id == ID_PROCESS_START || id == ID_PROCESS_RUNDOWN) {
        feed_provider_start(f, id == ID_PROCESS_RUNDOWN);
    } else if (id == ID_PROCESS_STOP) {
        const etw_process_told told = {.process_id = etw_cursor_u32(&f->cursor),
                                       .session_id = UINT32_MAX};
        if (!f->cursor.failed) {
            etw_state_process_told(f->state, f->host, f->time_100ns, ETW_LIFE_END, &told);
        }
    } else if (id == ID_THREAD_START || id == ID_THREAD_STOP) {
        const uint32_t process_id = etw_cursor_u32(&f->cursor);
        const uint32_t thread_id = etw_cursor_u32(&f->cursor);
        if (!f->cursor.failed) {
            etw_state_thread_told(f->state, f->host, f->time_100ns,
                                  id == ID_THREAD_START ? ETW_LIFE_START : ETW_LIFE_END, thread_id,
                                  process_id);
        }
    } else if (id == ID_IMAGE_LOAD || id == ID_IMAGE_UNLOAD) {
        feed_provider_image(f, id == ID_IMAGE_LOAD);
    }
}

/* "Shop.Till.Open" */
static const char *take_method_name(feeding *f)
{
    const char *scope = take_wide(f), *name = take_wide(f);
    etw_text_append_z(&f->text, scope);
    etw_text_append_z(&f->text, scope[0] == '\0' ? "" : ".");
    etw_text_append_z(&f->text, name);
    return keep(f);
}

static void add_method(feeding *f, etw_method *method)
{
    method->process = etw_life_key(f->host, f->record->EventHeader.ProcessId);
    method->from_100ns = f->time_100ns;
    if (!f->cursor.failed && !etw_method_list_add(&f->state->methods, method)) {
        f->state->is_out_of_memory = true;
    }
}

static void feed_method(feeding *f, etw_method_event event)
{
    etw_method method = {.event = event};
    (void)etw_cursor_take(&f->cursor, 16); /* method and module */
    method.start = etw_cursor_u64(&f->cursor);
    method.size = etw_cursor_u32(&f->cursor);
    (void)etw_cursor_take(&f->cursor, 8); /* token and flags */
    if (!f->cursor.failed) {
        method.name = take_method_name(f);
        add_method(f, &method);
    }
}

/* Where precompiled code begins; the event does not tell how far it goes. */
static void feed_entry_point(feeding *f)
{
    etw_method method = {.event = ETW_METHOD_IS, .size = ETW_METHOD_POINT};
    (void)etw_cursor_take(&f->cursor, 8); /* method */
    if (!f->cursor.failed) {
        method.name = take_method_name(f);
        (void)take_wide(f); /* signature */
        method.start = etw_cursor_u64(&f->cursor);
        add_method(f, &method);
    }
}

/* Of the runtime, and of its rundown, where both ids tell of what is there. */
static void feed_clr(feeding *f, bool is_rundown)
{
    switch (f->record->EventHeader.EventDescriptor.Id) {
    case ID_METHOD_LOAD_VERBOSE:
        feed_method(f, is_rundown ? ETW_METHOD_IS : ETW_METHOD_LOAD);
        break;
    case ID_METHOD_UNLOAD_VERBOSE:
        feed_method(f, is_rundown ? ETW_METHOD_IS : ETW_METHOD_UNLOAD);
        break;
    case ID_METHOD_START_V2:
    case ID_METHOD_END_V2:
        if (!is_rundown) {
            feed_method(f, ETW_METHOD_IS);
        }
        break;
    case ID_R2R_ENTRY_POINT:
        if (!is_rundown) {
            feed_entry_point(f);
        }
        break;
    default:
        break;
    }
}

static void feed_group(feeding *f, etw_kernel_group group)
{
    switch (group) {
    case ETW_KERNEL_PROCESS:
        feed_process(f);
        break;
    case ETW_KERNEL_THREAD:
        feed_thread(f);
        break;
    case ETW_KERNEL_IMAGE:
        feed_image(f);
        break;
    case ETW_KERNEL_IMAGE_ID:
        feed_image_id(f);
        break;
    case ETW_KERNEL_PERF_INFO:
        feed_perf_info(f);
        break;
    case ETW_KERNEL_CONFIG:
        feed_config(f);
        break;
    case ETW_KERNEL_PROCESS_PROVIDER:
        feed_process_provider(f);
        break;
    case ETW_CLR:
    case ETW_CLR_RUNDOWN:
        feed_clr(f, group == ETW_CLR_RUNDOWN);
        break;
    default:
        break;
    }
}

bool etw_state_feed(etw_state *state, const etw_event_record *record, const etw_trace *trace)
{
    const etw_event_header *header = &record->EventHeader;
    const etw_kernel_group group = etw_kernel_group_of(&header->ProviderId);
    const bool is_classic = (header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0;
    const uint16_t host = etw_state_host_of(state, trace);
    if (group == ETW_KERNEL_OTHER || host == UINT16_MAX ||
        is_classic == (group >= ETW_KERNEL_PROCESS_PROVIDER)) {
        return !state->is_out_of_memory;
    }
    feeding f = {.state = state,
                 .record = record,
                 .host = host,
                 .time_100ns = etw_clock_to_filetime(&trace->clock, header->TimeStamp),
                 .pointer_size = etw_record_pointer_size(record, trace->pointer_size),
                 .cursor = etw_cursor_over(etw_record_user_data(record)),
                 .opcode = header->EventDescriptor.Opcode,
                 .version = header->EventDescriptor.Version};
    feed_group(&f, group);
    etw_text_free(&f.text);
    return !state->is_out_of_memory;
}

/* The recorder's own list. */

static const char *keep_path(etw_state *state, etw_bytes path)
{
    return etw_state_text(state, (const char *)path.data, path.size);
}

bool etw_state_feed_rundown(etw_state *state, const etw_rundown *rundown)
{
    const etw_process *from;
    for (uint32_t i = 0; (from = etw_rundown_at(rundown, i)) != NULL; i++) {
        const char *path = keep_path(state, from->path);
        const etw_process_told told = {.process_id = from->process_id,
                                       .parent_id = from->parent_id,
                                       .has_parent = true,
                                       .session_id = UINT32_MAX,
                                       .path = path,
                                       .name = etw_path_last_part(path)};
        if (from->process_id != 0) { /* which stands for the kernel's images */
            etw_state_process_told(state, 0, INT64_MIN, ETW_LIFE_IS, &told);
        }
        for (uint32_t k = 0; k < from->image_count; k++) {
            const etw_state_image image = {.process_id = from->process_id,
                                           .base = from->images[k].base,
                                           .size = from->images[k].size,
                                           .path = keep_path(state, from->images[k].path)};
            (void)etw_state_image_told(state, 0, INT64_MIN, ETW_LIFE_IS, &image);
        }
    }
    return !state->is_out_of_memory;
}
