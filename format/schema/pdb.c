/* Annotations in a program database: MSF 7.00 -> stream 3 (DBI) -> the modules' symbol streams ->
 * S_ANNOTATION records, whose strings are the lines of a TMF file (SCHEMAS.md, "WPP messages"). */
#include "format/schema/wpp_model.h"

#include <stdlib.h>

#define MSF_MAGIC                                                                                  \
    "Microsoft C/C++ MSF 7.00\r\n\x1a"                                                             \
    "DS\0\0"
#define MSF_MAGIC_SIZE 32u
#define DBI_STREAM     3u
#define DBI_HEAD_SIZE  64u
#define MODULE_HEAD    64u
#define NO_STREAM      0xFFFFu
#define SYMBOLS_VC7    4u

enum { S_ANNOTATION = 0x1019, S_LPROC32 = 0x110F, S_GPROC32 = 0x1110 };

typedef struct msf {
    etw_bytes file;
    uint32_t page_size;
    uint32_t page_count;
    etw_text directory;     /* of the streams, in one piece */
    uint32_t stream_count;  /* all of whose sizes are in the directory */
    uint32_t *pages_before; /* of the pages of all streams, how many stand before each one's */
    size_t budget;          /* bytes of streams that may still be read: pages may be named twice */
    etw_error *error;
} msf;

static etw_status damaged(const msf *m, const char *what)
{
    return etw_error_set(m->error, ETW_ERROR_DAMAGED, "program database: %s", what);
}

static const uint8_t *page_at(const msf *m, uint32_t page)
{
    const uint64_t start = (uint64_t)page * m->page_size;
    return page >= m->page_count || start + m->page_size > m->file.size ? NULL
                                                                        : m->file.data + start;
}

/* Puts size bytes together from the pages whose numbers stand at numbers. */
static etw_status gather(msf *m, const uint8_t *numbers, size_t numbers_size, uint32_t size,
                         etw_text *into)
{
    const uint64_t pages = ((uint64_t)size + m->page_size - 1) / m->page_size;
    etw_text_clear(into);
    if (pages * 4 > numbers_size || size > m->budget) {
        return damaged(m, "a stream is longer than its list of pages, or than all of the file");
    }
    m->budget -= size;
    for (uint32_t i = 0; i < pages; i++) {
        const uint8_t *page = page_at(m, etw_load_u32(numbers + 4 * (size_t)i));
        if (page == NULL) {
            return damaged(m, "a page lies outside the file");
        }
        const uint32_t left = size - i * m->page_size;
        etw_text_append(into, (const char *)page, left < m->page_size ? left : m->page_size);
    }
    return into->failed ? etw_error_set(m->error, ETW_ERROR_LIMIT,
                                        "program database: a stream of %u bytes does not fit "
                                        "memory",
                                        (unsigned)size)
                        : ETW_OK;
}

static uint32_t directory_u32(const msf *m, size_t index)
{
    return etw_load_u32((const uint8_t *)m->directory.data + 4 * index);
}

/* The superblock names the page of the list of pages of the directory. */
static etw_status open_msf(msf *m)
{
    const uint8_t *head = m->file.data;
    if (m->file.size < 56 || memcmp(head, MSF_MAGIC, MSF_MAGIC_SIZE) != 0) {
        return etw_error_set(m->error, ETW_ERROR_NOT_THIS, "no program database (MSF 7.00)");
    }
    m->page_size = etw_load_u32(head + 32);
    m->page_count = etw_load_u32(head + 40);
    const uint32_t directory_size = etw_load_u32(head + 44);
    if (m->page_size < 512 || m->page_size > 65536 || (m->page_size & (m->page_size - 1)) != 0) {
        return damaged(m, "its page size is none");
    }
    m->budget = 2 * m->file.size;
    const uint32_t map_page = etw_load_u32(head + 52);
    const uint8_t *numbers = page_at(m, map_page);
    if (numbers == NULL) {
        return damaged(m, "its stream directory lies outside the file");
    }
    /* The list may take several pages, one behind the other. */
    const size_t numbers_size = m->file.size - (size_t)map_page * m->page_size;
    const etw_status status = gather(m, numbers, numbers_size, directory_size, &m->directory);
    if (status != ETW_OK) {
        return status;
    }
    m->stream_count = m->directory.size < 4 ? 0 : directory_u32(m, 0);
    if (m->stream_count > ETW_PDB_MAX_STREAMS ||
        4 + 4 * (uint64_t)m->stream_count > m->directory.size) {
        return damaged(m, "its stream directory is too short");
    }
    return ETW_OK;
}

static uint32_t stream_size(const msf *m, uint32_t stream)
{
    const uint32_t size = directory_u32(m, 1 + (size_t)stream);
    return size == UINT32_MAX ? 0 : size; /* deleted */
}

/* Once, so that the work for a stream does not depend on how many stand before it. */
static etw_status find_streams(msf *m)
{
    m->pages_before = calloc((size_t)m->stream_count + 1, sizeof *m->pages_before);
    if (m->pages_before == NULL) {
        return etw_error_set(m->error, ETW_ERROR_NO_MEMORY, "no memory for a program database");
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < m->stream_count; i++) {
        m->pages_before[i] = (uint32_t)before;
        before += ((uint64_t)stream_size(m, i) + m->page_size - 1) / m->page_size;
        if (before > m->directory.size / 4) {
            return damaged(m, "its stream directory is too short");
        }
    }
    return ETW_OK;
}

static etw_status read_stream(msf *m, uint32_t stream, etw_text *into)
{
    etw_text_clear(into);
    if (stream >= m->stream_count) {
        return damaged(m, "a stream is missing");
    }
    const size_t at = 4 * (1 + (size_t)m->stream_count + m->pages_before[stream]);
    if (at > m->directory.size) {
        return damaged(m, "its stream directory is too short");
    }
    return gather(m, (const uint8_t *)m->directory.data + at, m->directory.size - at,
                  stream_size(m, stream), into);
}

/* u32 offset, u16 section, u16 count, then as many strings: each a line. */
static etw_status read_annotation(etw_wpp_reader *reader, etw_cursor record, etw_error *error)
{
    (void)etw_cursor_take(&record, 6);
    uint32_t count = etw_cursor_u16(&record);
    etw_status status = ETW_OK;
    etw_wpp_read_end(reader);
    while (status == ETW_OK && count-- > 0 && etw_cursor_left(&record) > 0) {
        const size_t left = etw_cursor_left(&record);
        const uint8_t *end = memchr(record.at, '\0', left);
        const size_t size = end == NULL ? left : (size_t)(end - record.at);
        const etw_bytes line = {record.at, size};
        (void)etw_cursor_take(&record, end == NULL ? size : size + 1);
        status = etw_wpp_read_line(reader, line, error);
    }
    return status;
}

/* The name stands behind 35 bytes of a procedure's record. */
static const char *procedure_name(etw_wpp_reader *reader, etw_cursor record)
{
    (void)etw_cursor_take(&record, 35);
    const size_t left = record.failed ? 0 : etw_cursor_left(&record);
    const uint8_t *end = left == 0 ? NULL : memchr(record.at, '\0', left);
    return end == NULL
               ? NULL
               : etw_arena_copy(&reader->model->arena, record.at, (size_t)(end - record.at));
}

/* Records: u16 size of what follows, u16 kind. */
static etw_status read_symbols(etw_wpp_reader *reader, etw_bytes symbols, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(symbols);
    etw_status status = ETW_OK;
    etw_cursor procedure = {0};
    if (etw_cursor_u32(&cursor) != SYMBOLS_VC7) {
        return ETW_OK;
    }
    while (status == ETW_OK && etw_cursor_left(&cursor) >= 4) {
        const size_t size = etw_cursor_u16(&cursor);
        const uint8_t *data = etw_cursor_take(&cursor, size);
        if (data == NULL || size < 2) {
            break;
        }
        const uint16_t kind = etw_load_u16(data);
        const etw_cursor record = etw_cursor_over((etw_bytes){data + 2, size - 2});
        if (kind == S_GPROC32 || kind == S_LPROC32) {
            procedure = record;
            reader->function = NULL;
        } else if (kind == S_ANNOTATION) {
            if (reader->function == NULL && procedure.at != NULL) {
                reader->function = procedure_name(reader, procedure);
            }
            status = read_annotation(reader, record, error);
        }
    }
    return status;
}

static size_t skip_string(etw_cursor *cursor)
{
    const size_t left = etw_cursor_left(cursor);
    const uint8_t *end = left == 0 ? NULL : memchr(cursor->at, '\0', left);
    const size_t size = end == NULL ? left : (size_t)(end - cursor->at) + 1;
    (void)etw_cursor_take(cursor, size);
    return size;
}

/* The DBI's list of modules: each tells the stream with its symbols, and how many bytes of it are
 * symbols. */
static etw_status read_modules(msf *m, etw_wpp_reader *reader, etw_bytes modules)
{
    etw_cursor cursor = etw_cursor_over(modules);
    etw_text stream = {0};
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_cursor_left(&cursor) >= MODULE_HEAD) {
        const uint8_t *head = etw_cursor_take(&cursor, MODULE_HEAD);
        const size_t names = skip_string(&cursor) + skip_string(&cursor);
        const size_t padding = (4 - (names & 3u)) & 3u;
        if (etw_cursor_left(&cursor) >= padding) {
            (void)etw_cursor_take(&cursor, padding);
        }
        const uint16_t number = etw_load_u16(head + 34);
        const uint32_t size = etw_load_u32(head + 36);
        if (number == NO_STREAM || size == 0) {
            continue;
        }
        reader->function = NULL;
        status = read_stream(m, number, &stream);
        if (status == ETW_OK) {
            const etw_bytes all = etw_text_bytes(&stream);
            const etw_bytes symbols = {all.data, size < all.size ? size : all.size};
            status = read_symbols(reader, symbols, m->error);
        }
    }
    etw_text_free(&stream);
    return status;
}

static etw_status read_dbi(msf *m, etw_wpp_reader *reader)
{
    etw_text dbi = {0};
    etw_status status = read_stream(m, DBI_STREAM, &dbi);
    if (status == ETW_OK && dbi.size >= DBI_HEAD_SIZE) {
        const uint32_t size = etw_load_u32((const uint8_t *)dbi.data + 24);
        const size_t left = dbi.size - DBI_HEAD_SIZE;
        const etw_bytes modules = {(const uint8_t *)dbi.data + DBI_HEAD_SIZE,
                                   size < left ? size : left};
        status = read_modules(m, reader, modules);
    }
    etw_text_free(&dbi);
    return status;
}

etw_status etw_wpp_set_add_pdb(etw_wpp_set *set, etw_bytes file, etw_schema_store *store,
                               uint32_t *added, etw_error *error)
{
    etw_wpp_model *model = &set->model;
    const etw_wpp_message *last = model->last;
    etw_wpp_reader reader = {.model = model};
    msf m = {.file = file, .error = error};
    model->document++;
    etw_status status = open_msf(&m);
    if (status == ETW_OK) {
        status = find_streams(&m);
    }
    if (status == ETW_OK) {
        status = read_dbi(&m, &reader);
    }
    etw_wpp_reader_free(&reader);
    etw_text_free(&m.directory);
    free(m.pages_before);
    return status == ETW_OK ? etw_wpp_finish_document(set, last, store, reader.met, added, error)
                            : status;
}
