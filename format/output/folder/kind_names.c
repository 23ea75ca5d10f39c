#include "format/output/folder/kind_names.h"

#include "format/event/calendar.h"

/* What engines take for no value. */
#define NO_VALUE "__HIVE_DEFAULT_PARTITION__"

/* Letters, digits and a few signs, which every file system and object store takes. */
static void append_safe(etw_text *path, const char *bytes, size_t size)
{
    const size_t kept = size < ETW_KIND_NAME_BYTES ? size : ETW_KIND_NAME_BYTES;
    for (size_t i = 0; i < kept; i++) {
        const char c = bytes[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || (c == '.' && i > 0);
        etw_text_append_char(path, is_plain ? c : '_');
    }
}

static void append_provider(etw_text *path, const etw_row *row)
{
    const etw_bytes name = row->fields[ETW_ROW_PROVIDER_NAME];
    etw_text guid = {0};
    if (name.size > 0) {
        append_safe(path, (const char *)name.data, name.size);
    } else {
        etw_text_append_guid(&guid, &row->fixed.provider_id);
        append_safe(path, guid.data, guid.size);
    }
    path->failed |= guid.failed;
    etw_text_free(&guid);
}

static void append_date(etw_text *path, int64_t time_100ns)
{
    etw_text time = {0};
    etw_text_append_time(&time, time_100ns);
    if (time.size > 10 && time.data[4] == '-') {
        etw_text_append(path, time.data, 10);
    } else {
        etw_text_append_z(path, NO_VALUE);
    }
    path->failed |= time.failed;
    etw_text_free(&time);
}

void etw_kind_folders_append(const etw_output_options *options, const etw_row *row, etw_text *path)
{
    if ((options->partition & ETW_PARTITION_HOST) != 0) {
        const char *host = row->fixed.trace == NULL ? "" : row->fixed.trace->host_name;
        etw_text_append_z(path, "host=");
        append_safe(path, host[0] == '\0' ? NO_VALUE : host,
                    strlen(host[0] == '\0' ? NO_VALUE : host));
        etw_text_append_char(path, '/');
    }
    if ((options->partition & ETW_PARTITION_PROVIDER) != 0) {
        etw_text_append_z(path, "provider=");
        append_provider(path, row);
        etw_text_append_char(path, '/');
    }
    if ((options->partition & ETW_PARTITION_DATE) != 0) {
        etw_text_append_z(path, "date=");
        append_date(path, row->fixed.time_100ns);
        etw_text_append_char(path, '/');
    }
}

void etw_kind_name_append(etw_unique_names *given, const etw_row *row, etw_text *path)
{
    const etw_bytes event = row->fields[ETW_ROW_EVENT_NAME];
    if (row->fixed.is_loss) {
        etw_text_append_z(path, "losses");
    } else if (row->fixed.property_count == ETW_ROW_NONE) {
        etw_text_append_z(path, "unexplained");
    } else {
        append_provider(path, row);
        etw_text_append_char(path, '.');
        if (event.size > 0) {
            append_safe(path, (const char *)event.data, event.size);
        } else {
            etw_text_append_u64(path, row->fixed.id);
        }
    }
    etw_unique_name(given, 0, ".", path);
}
