#include "format/schema/schema_file.h"

#include "format/base/grown.h"
#include "format/schema/event_metadata_xml.h"
#include "format/schema/manifest_model.h"
#include "format/schema/pe_resources.h"
#include "format/schema/wevt.h"
#include "format/schema/xml_mender.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct guid_list {
    etw_guid *guids;
    uint32_t count;
    uint32_t capacity;
    bool failed;
} guid_list;

struct etw_schema_file {
    char *path;
    etw_schema_file_options options;
    etw_manifest_set *set;
    etw_donor *donor; /* of a trace or a pack; NULL: it is a manifest */
    bool was_read;
    bool is_known; /* by a description: it was not opened */
    guid_list providers;
    etw_resource_list resources;
    uint32_t build;
    char mended[80]; /* what was mended, or "" */
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a file of schemas");
}

static void take_guid(void *into, const etw_guid *provider)
{
    guid_list *list = into;
    if (list->count > 0 && etw_guid_equal(&list->guids[list->count - 1], provider)) {
        return;
    }
    etw_guid *guids = etw_grown(list->guids, &list->capacity, list->count, 4, sizeof *guids);
    if (guids == NULL) {
        list->failed = true;
        return;
    }
    list->guids = guids;
    list->guids[list->count++] = *provider;
}

/* XML. */

etw_status etw_schema_file_read(const etw_os *os, int file, size_t limit, uint8_t **data,
                                size_t *size, etw_error *error)
{
    const int64_t stated = os->size(os->context, file);
    *data = NULL;
    *size = 0;
    if (stated < 0) {
        return etw_error_set_os(error, (int)-stated, "cannot tell its size");
    }
    if ((uint64_t)stated > limit) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "larger than the limit of %zu bytes", limit);
    }
    *data = malloc((size_t)stated + 1);
    return *data == NULL
               ? no_memory(error)
               : etw_os_read_at_full(os, file, (etw_room){*data, (size_t)stated}, 0, size, error);
}

/* What a failed reading left behind is dropped. */
static etw_status read_anew(etw_schema_file *self, etw_bytes xml, etw_schema_store *store,
                            etw_error *error)
{
    etw_manifest_set_free(self->set);
    self->set = etw_manifest_set_new(ETW_SCHEMA_MANIFEST, ETW_MANIFESTS_MAX_BYTES);
    return self->set == NULL ? no_memory(error)
                             : etw_manifest_set_add(self->set, xml, store, NULL, error);
}

/* A manifest whose attributes are not escaped; the error stays that of the file as it is. */
static etw_status read_mended(etw_schema_file *self, etw_bytes xml, etw_schema_store *store,
                              etw_status status)
{
    etw_text mended = {0};
    const uint32_t places = etw_xml_mend(xml, &mended);
    if (places > 0 && !mended.failed &&
        read_anew(self, etw_text_bytes(&mended), store, NULL) == ETW_OK) {
        (void)snprintf(self->mended, sizeof self->mended,
                       "read with %u unescaped characters in attributes mended", places);
        status = ETW_OK;
    }
    etw_text_free(&mended);
    return status;
}

static etw_status read_manifest(etw_schema_file *self, etw_bytes xml, etw_schema_store *store,
                                etw_error *error)
{
    const etw_status status = etw_manifest_set_add(self->set, xml, store, NULL, error);
    return status == ETW_ERROR_DAMAGED ? read_mended(self, xml, store, status) : status;
}

static etw_status read_event_metadata(etw_schema_file *self, etw_bytes xml, etw_schema_store *store,
                                      etw_error *error)
{
    etw_text manifest = {0};
    etw_status status = etw_event_metadata_to_manifest(xml, &manifest, error);
    if (status == ETW_OK) {
        status = read_manifest(self, etw_text_bytes(&manifest), store, error);
    }
    etw_text_free(&manifest);
    return status;
}

static etw_status read_xml(etw_schema_file *self, int file, etw_schema_store *store,
                           etw_error *error)
{
    uint8_t *data;
    size_t size;
    if (self->options.any_file && !etw_schema_file_ends_with(self->path, ".man") &&
        !etw_schema_file_ends_with(self->path, ".xml")) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no file of schemas");
    }
    etw_status status = etw_schema_file_read(self->options.os, file, ETW_MANIFEST_MAX_XML_BYTES,
                                             &data, &size, error);
    if (status == ETW_OK) {
        const etw_bytes xml = {data, size};
        status = etw_event_metadata_is(xml) ? read_event_metadata(self, xml, store, error)
                                            : read_manifest(self, xml, store, error);
    }
    free(data);
    self->was_read = true;
    etw_manifest_set_providers(self->set, take_guid, &self->providers);
    return status;
}

/* Traces and packs. */

/* By name, as a folder of traces is no folder of schemas, and a trace may be wrapped. */
static bool may_be_trace(const etw_schema_file *self)
{
    static const char *const endings[] = {".etwcap", ".etl", ".gz", ".zst", ".zip"};
    const size_t count = self->options.any_file ? 1 : sizeof endings / sizeof endings[0];
    bool may_be = false;
    for (size_t i = 0; i < count && self->options.open_donor != NULL; i++) {
        may_be |= etw_schema_file_ends_with(self->path, endings[i]);
    }
    return may_be;
}

static etw_status open_trace(etw_schema_file *self, etw_schema_store *store, etw_error *error)
{
    const etw_status status = self->options.open_donor(
        self->options.os, self->path, self->options.any_file, store, &self->donor, error);
    if (status == ETW_OK) {
        self->was_read = true;
        self->donor->guids(self->donor, take_guid, &self->providers);
    }
    return status == ETW_OK && self->providers.failed ? no_memory(error) : status;
}

/* Compiled. */

/* One message table and the bytes it is in. */
typedef struct texts {
    etw_message_table tables[ETW_WEVT_MAX_TABLES];
    uint8_t *bytes[ETW_WEVT_MAX_TABLES];
    uint32_t count;
} texts;

static void free_texts(texts *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        etw_message_table_free(&self->tables[i]);
        free(self->bytes[i]);
    }
}

/* A table that cannot be read is left out: its events are explained without messages. */
static etw_status add_tables(const etw_os *os, int file, const etw_resource_list *resources,
                             texts *into, etw_error *error)
{
    for (uint32_t i = 0; i < resources->count && into->count < ETW_WEVT_MAX_TABLES; i++) {
        const etw_resource *resource = &resources->items[i];
        uint8_t *bytes = NULL;
        if (resource->kind != ETW_RESOURCE_MESSAGES ||
            etw_resource_read(os, file, resource, &bytes, NULL) != ETW_OK) {
            continue;
        }
        const etw_status status = etw_message_table_open((etw_bytes){bytes, resource->size_bytes},
                                                         &into->tables[into->count], error);
        if (status != ETW_OK) {
            free(bytes);
            if (status == ETW_ERROR_NO_MEMORY) {
                return status;
            }
            continue;
        }
        into->bytes[into->count++] = bytes;
    }
    return ETW_OK;
}

/* Adds the tables of another file; there need not be one. */
static etw_status add_tables_of(const etw_os *os, const char *path, texts *into, etw_error *error)
{
    etw_resource_list resources;
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    if (file < 0) {
        return ETW_OK;
    }
    etw_status status = ETW_OK;
    if (etw_pe_resources_find(os, file, &resources, NULL) == ETW_OK) {
        status = add_tables(os, file, &resources, into, error);
    }
    (void)os->close(os->context, file);
    return status;
}

/* <folder>/<language>/<name>.mui */
static etw_status add_mui(const etw_schema_file *self, const char *language, texts *into,
                          etw_error *error)
{
    etw_text path = {0};
    etw_status status = ETW_OK;
    if (etw_file_name_find_mui(self->options.os, self->path, language, &path)) {
        status = add_tables_of(self->options.os, etw_text_z(&path), into, error);
    }
    etw_text_free(&path);
    return status;
}

/* mc.exe writes xTEMP.BIN, and beside it x_MSG00001.bin or MSG00001.bin. */
static etw_status add_loose_tables(const etw_schema_file *self, texts *into, etw_error *error)
{
    static const char *const ends[] = {"_MSG00001.bin", ".msg.bin", NULL};
    etw_text folder = {0};
    const char *name = etw_file_name_split(self->path, &folder);
    size_t stem = strcspn(name, ".");
    if (stem >= 4 && etw_file_name_is(name + stem - 4, "TEMP.BIN")) {
        stem -= 4;
    }
    etw_status status = ETW_OK;
    for (size_t i = 0; status == ETW_OK && i < sizeof ends / sizeof ends[0]; i++) {
        etw_text path = {0};
        etw_text beside = {0};
        etw_text_append(&path, folder.data, folder.size);
        if (ends[i] == NULL) {
            etw_text_append_z(&beside, "MSG00001.bin");
        } else {
            etw_text_append(&beside, name, stem);
            etw_text_append_z(&beside, ends[i]);
        }
        if (into->count == 0 && etw_file_name_enter(self->options.os, &path, etw_text_z(&beside))) {
            status = add_tables_of(self->options.os, etw_text_z(&path), into, error);
        }
        etw_text_free(&path);
        etw_text_free(&beside);
    }
    etw_text_free(&folder);
    return status;
}

static etw_status find_texts(const etw_schema_file *self, int file, texts *into, etw_error *error)
{
    etw_status status = add_tables(self->options.os, file, &self->resources, into, error);
    const char *language = self->options.language;
    if (status == ETW_OK && etw_resource_of_kind(&self->resources, ETW_RESOURCE_MUI) != NULL) {
        if (language != NULL) {
            status = add_mui(self, language, into, error);
        }
        if (status == ETW_OK &&
            (language == NULL || !etw_file_name_is(language, ETW_SCHEMA_FALLBACK_LANGUAGE))) {
            status = add_mui(self, ETW_SCHEMA_FALLBACK_LANGUAGE, into, error);
        }
    } else if (status == ETW_OK && self->resources.count == 1) {
        status = add_loose_tables(self, into, error);
    }
    return status;
}

static etw_status read_blocks(etw_schema_file *self, int file, etw_schema_store *store,
                              etw_error *error)
{
    texts found = {0};
    etw_status status = find_texts(self, file, &found, error);
    for (uint32_t i = 0; i < self->resources.count && status == ETW_OK; i++) {
        const etw_resource *resource = &self->resources.items[i];
        uint8_t *bytes;
        if (resource->kind != ETW_RESOURCE_WEVT) {
            continue;
        }
        status = etw_resource_read(self->options.os, file, resource, &bytes, error);
        if (status == ETW_OK) {
            const etw_wevt wevt = {{bytes, resource->size_bytes}, found.tables, found.count};
            status = etw_manifest_set_add_compiled(self->set, &wevt, store, NULL, error);
        }
        free(bytes);
        if (status == ETW_ERROR_NOT_THIS) {
            status = ETW_OK; /* mc.exe makes blocks without providers, too */
        }
    }
    free_texts(&found);
    return status;
}

/* Whose events the file has, and of which build it is. */
static etw_status look_at_resources(etw_schema_file *self, int file, etw_error *error)
{
    etw_status status = ETW_OK;
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < self->resources.count && status == ETW_OK; i++) {
        const etw_resource *resource = &self->resources.items[i];
        uint8_t *bytes = NULL;
        if (resource->kind != ETW_RESOURCE_WEVT && resource->kind != ETW_RESOURCE_VERSION) {
            continue;
        }
        status = etw_resource_read(self->options.os, file, resource, &bytes, error);
        const etw_bytes piece = {bytes, resource->size_bytes};
        if (status == ETW_OK && resource->kind == ETW_RESOURCE_VERSION) {
            self->build = etw_resource_build(piece);
        } else if (status == ETW_OK) {
            blocks++;
            status = etw_wevt_check(piece, error);
            etw_wevt_providers(piece, take_guid, &self->providers);
        }
        free(bytes);
    }
    return status == ETW_OK && blocks == 0
               ? etw_error_set(error, ETW_ERROR_NOT_THIS, "no compiled manifest in it")
               : status;
}

static etw_status look_at(etw_schema_file *self, int file, etw_schema_store *store,
                          etw_error *error)
{
    etw_error failure = {0};
    etw_status status = etw_pe_resources_find(self->options.os, file, &self->resources, &failure);
    if (status == ETW_ERROR_NOT_THIS) {
        status = read_xml(self, file, store, error);
    } else if (status == ETW_OK) {
        status = look_at_resources(self, file, error);
    } else {
        return etw_error_set(error, status, "%s", failure.message);
    }
    return status == ETW_OK && self->providers.failed ? no_memory(error) : status;
}

static etw_status open_path(const etw_schema_file *self, int *file, etw_error *error)
{
    const etw_os *os = self->options.os;
    *file = os->open(os->context, self->path, ETW_OPEN_READ);
    return *file < 0 ? etw_error_set_os(error, -*file, "cannot open") : ETW_OK;
}

static etw_status open_manifests(etw_schema_file *self, etw_schema_store *store, etw_error *error)
{
    int opened;
    etw_status status = open_path(self, &opened, error);
    if (status == ETW_OK) {
        status = look_at(self, opened, store, error);
        (void)self->options.os->close(self->options.os->context, opened);
    }
    return status;
}

static etw_schema_file *new_file(const char *path, const etw_schema_file_options *options)
{
    etw_schema_file *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->options = *options;
    self->path = strdup(path);
    self->set = etw_manifest_set_new(ETW_SCHEMA_MANIFEST, ETW_MANIFESTS_MAX_BYTES);
    if (self->path == NULL || self->set == NULL) {
        etw_schema_file_free(self);
        return NULL;
    }
    return self;
}

etw_status etw_schema_file_open(const char *path, const etw_schema_file_options *options,
                                etw_schema_store *store, etw_schema_file **file, etw_error *error)
{
    etw_schema_file *self = new_file(path, options);
    *file = NULL;
    if (self == NULL) {
        return no_memory(error);
    }
    const bool is_trace = may_be_trace(self);
    const etw_status status =
        is_trace ? open_trace(self, store, error) : open_manifests(self, store, error);
    if (status != ETW_OK) {
        etw_schema_file_free(self);
        return is_trace ? status : etw_error_wrap(error, status, "%s", path);
    }
    *file = self;
    return ETW_OK;
}

/* What was told: the build, what was mended, providers, names. */

static void put_name(void *into, const etw_guid *provider, const char *name)
{
    etw_buffer *about = into;
    const size_t size = strlen(name);
    etw_buffer_append(about, provider, sizeof *provider);
    etw_buffer_append_u32(about, (uint32_t)size);
    etw_buffer_append(about, name, size + 1);
}

bool etw_schema_file_describe(const etw_schema_file *file, etw_buffer *about)
{
    if (file->donor != NULL) {
        return false;
    }
    etw_buffer_append_u32(about, file->build);
    etw_buffer_append(about, file->mended, sizeof file->mended);
    etw_buffer_append_u32(about, file->providers.count);
    etw_buffer_append(about, file->providers.guids,
                      file->providers.count * sizeof *file->providers.guids);
    if (file->was_read) { /* a compiled one tells its names when it is read */
        etw_manifest_set_names(file->set, put_name, about);
    }
    return !about->failed;
}

static etw_status take_told(etw_schema_file *self, etw_cursor *about, etw_schema_store *store,
                            etw_error *error)
{
    etw_status status = ETW_OK;
    self->build = etw_cursor_u32(about);
    const uint8_t *mended = etw_cursor_take(about, sizeof self->mended);
    const uint32_t count = etw_cursor_u32(about);
    for (uint32_t i = 0; i < count && !about->failed; i++) {
        const uint8_t *bytes = etw_cursor_take(about, sizeof(etw_guid));
        const etw_guid provider = bytes == NULL ? (etw_guid){0} : etw_load_guid(bytes);
        take_guid(&self->providers, &provider);
    }
    while (etw_cursor_left(about) > 0 && !about->failed && status == ETW_OK) {
        const uint8_t *bytes = etw_cursor_take(about, sizeof(etw_guid));
        const uint32_t size = etw_cursor_u32(about);
        const char *name = (const char *)etw_cursor_take(about, (uint64_t)size + 1);
        if (bytes != NULL && name != NULL && name[size] == '\0') {
            const etw_guid provider = etw_load_guid(bytes);
            status = etw_schema_store_set_provider_name(store, &provider, name, error);
        }
    }
    if (about->failed) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "what is known of a file is cut off");
    }
    memcpy(self->mended, mended, sizeof self->mended - 1);
    return status == ETW_OK && self->providers.failed ? no_memory(error) : status;
}

etw_status etw_schema_file_open_known(const char *path, const etw_schema_file_options *options,
                                      etw_bytes about, etw_schema_store *store,
                                      etw_schema_file **file, etw_error *error)
{
    etw_schema_file *self = new_file(path, options);
    etw_cursor cursor = etw_cursor_over(about);
    *file = NULL;
    if (self == NULL) {
        return no_memory(error);
    }
    const etw_status status = take_told(self, &cursor, store, error);
    if (status != ETW_OK) {
        etw_schema_file_free(self);
        return status;
    }
    self->is_known = true;
    *file = self;
    return ETW_OK;
}

void etw_schema_file_free(etw_schema_file *file)
{
    if (file != NULL) {
        etw_manifest_set_free(file->set);
        if (file->donor != NULL) {
            file->donor->free(file->donor);
        }
        free(file->providers.guids);
        free(file->path);
        free(file);
    }
}

const char *etw_schema_file_path(const etw_schema_file *file)
{
    return file->path;
}

etw_donor *etw_schema_file_donor(const etw_schema_file *file)
{
    return file->donor;
}

uint32_t etw_schema_file_build(const etw_schema_file *file)
{
    return file->build;
}

const char *etw_schema_file_mended(const etw_schema_file *file)
{
    return file->mended[0] == '\0' ? NULL : file->mended;
}

void etw_schema_file_providers(const etw_schema_file *file,
                               void (*take)(void *into, const etw_guid *provider), void *into)
{
    for (uint32_t i = 0; i < file->providers.count; i++) {
        take(into, &file->providers.guids[i]);
    }
}

etw_status etw_schema_file_set(etw_schema_file *file, etw_schema_store *store,
                               etw_manifest_set **set, etw_error *error)
{
    if (file->was_read) {
        *set = file->set;
        return ETW_OK;
    }
    file->was_read = true;
    int opened;
    etw_status status = open_path(file, &opened, error);
    if (status == ETW_OK) {
        file->providers.count = file->is_known ? 0 : file->providers.count;
        status = file->is_known ? look_at(file, opened, store, error) : ETW_OK;
        if (status == ETW_OK && file->resources.count > 0) { /* XML is read by now */
            status = read_blocks(file, opened, store, error);
        }
        (void)file->options.os->close(file->options.os->context, opened);
    }
    *set = file->set; /* a manifest that was mended is another set by now */
    return status == ETW_OK ? ETW_OK : etw_error_wrap(error, status, "%s", file->path);
}
