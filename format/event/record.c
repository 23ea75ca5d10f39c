#include "format/event/record.h"

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
