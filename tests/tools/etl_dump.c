/* etl_dump FILE.etl [--records]: what the reader delivers, one line each, for tests to compare. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/etl/etl.h"

/* CRC-32 as zlib has it. */
static uint32_t crc32(uint32_t state, const void *data, size_t size)
{
    static uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = (value >> 1) ^ ((value & 1u) != 0 ? 0xEDB88320u : 0u);
            }
            table[i] = value;
        }
    }
    const uint8_t *bytes = data;
    state = ~state;
    for (size_t i = 0; i < size; i++) {
        state = (state >> 8) ^ table[(state ^ bytes[i]) & 0xFFu];
    }
    return ~state;
}

static void print_event(const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    etw_text guid = {NULL, 0, 0, false};
    etw_text_append_guid(&guid, &header->ProviderId);
    uint32_t items = 0;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        items = crc32(items, &item->ExtType, sizeof item->ExtType);
        items = crc32(items, (const void *)(uintptr_t)item->DataPtr, item->DataSize);
    }
    const uint32_t data = crc32(0, record->UserData, record->UserDataLength);
    printf("event %" PRId64 " %s %u %u %u %u %u %u %" PRIu64 " pid %u tid %u cpu %u flags %x "
           "size %u items %u %08" PRIx32 " data %u %08" PRIx32 "\n",
           header->TimeStamp, etw_text_z(&guid), header->EventDescriptor.Id,
           header->EventDescriptor.Version, header->EventDescriptor.Opcode,
           header->EventDescriptor.Level, header->EventDescriptor.Task,
           header->EventDescriptor.Channel, header->EventDescriptor.Keyword, header->ProcessId,
           header->ThreadId, etw_record_processor(record), header->Flags, header->Size,
           record->ExtendedDataCount, items, record->UserDataLength, data);
    etw_text_free(&guid);
}

static etw_status dump(etw_source *source, bool records, uint64_t *losses, etw_error *error)
{
    etw_item item;
    etw_status status;
    while ((status = etw_source_next(source, &item, error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_LOSS) {
            (*losses)++;
            printf("loss %s: %s\n", etw_loss_cause_name(item.loss->cause), item.loss->detail);
        } else if (records) {
            print_event(item.record);
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: etl_dump FILE.etl [--records]\n");
        return 2;
    }
    etw_os_use_binary_stdio();
    const bool records = argc > 2 && strcmp(argv[2], "--records") == 0;
    etw_error error;
    etw_source *source;
    uint64_t losses = 0;
    if (etw_etl_open(etw_os_default(), argv[1], NULL, &source, &error) != ETW_OK) {
        fprintf(stderr, "etl_dump: %s\n", error.message);
        return 1;
    }
    const etw_status status = dump(source, records, &losses, &error);
    const etw_etl_statistics *statistics = etw_etl_statistics_of(source);
    printf("records %" PRIu64 " buffers %" PRIu64 " compressed %" PRIu64 " unused %" PRIu64 "\n",
           statistics->records, statistics->buffers, statistics->compressed_buffers,
           statistics->unused_bytes);
    for (unsigned i = 0; i < ETW_ETL_TYPE_COUNT; i++) {
        if (statistics->records_by_type[i] != 0) {
            printf("type %u %" PRIu64 "\n", i, statistics->records_by_type[i]);
        }
    }
    etw_source_close(source);
    if (status != ETW_END) {
        fprintf(stderr, "etl_dump: %s\n", error.message);
        return 1;
    }
    return losses == 0 ? 0 : 3;
}
