#include "format/event/record.h"

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
