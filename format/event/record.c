#include "format/event/record.h"

_Static_assert(sizeof(etw_event_descriptor) == 16, "EVENT_DESCRIPTOR");
_Static_assert(sizeof(etw_event_header) == 80, "EVENT_HEADER");
_Static_assert(sizeof(etw_buffer_context) == 4, "ETW_BUFFER_CONTEXT");
_Static_assert(sizeof(etw_extended_data_item) == 16, "EVENT_HEADER_EXTENDED_DATA_ITEM");
_Static_assert(sizeof(etw_event_record) == (sizeof(void *) == 8 ? 112 : 104), "EVENT_RECORD");

const etw_guid etw_metadata_event_class = {
    0xbbccf6c1, 0x6cd1, 0x48c4, {0x80, 0xff, 0x83, 0x94, 0x82, 0xe3, 0x76, 0x71}};

const etw_extended_data_item *etw_record_find_item(const etw_event_record *record,
                                                   uint16_t ext_type)
{
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        if (record->ExtendedData[i].ExtType == ext_type) {
            return &record->ExtendedData[i];
        }
    }
    return NULL;
}
