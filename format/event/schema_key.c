#include "format/event/schema_key.h"

etw_schema_key etw_schema_key_of_record(const etw_event_record *record)
{
    const etw_event_descriptor *descriptor = &record->EventHeader.EventDescriptor;
    etw_schema_key key = {.guid = record->EventHeader.ProviderId, .id = descriptor->Id};
    if ((record->EventHeader.Flags & ETW_FLAG_TRACE_MESSAGE) != 0) {
        key.form = ETW_KEY_MESSAGE;
        return key;
    }
    key.version = descriptor->Version;
    if ((record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        key.form = ETW_KEY_CLASSIC;
        key.id = descriptor->Opcode;
    }
    return key;
}

bool etw_schema_key_of_tei(const etw_tei *tei, etw_schema_key *key)
{
    const etw_trace_event_info *info = &tei->info;
    const etw_event_descriptor *descriptor = &info->EventDescriptor;
    switch (info->DecodingSource) {
    case ETW_DECODING_XML_FILE:
        *key = (etw_schema_key){info->ProviderGuid, descriptor->Id, descriptor->Version,
                                ETW_KEY_EVENT};
        return true;
    case ETW_DECODING_WBEM:
        *key = (etw_schema_key){info->EventGuid, descriptor->Opcode, descriptor->Version,
                                ETW_KEY_CLASSIC};
        return true;
    case ETW_DECODING_WPP:
        *key = (etw_schema_key){info->ProviderGuid, descriptor->Id, 0, ETW_KEY_MESSAGE};
        return true;
    default:
        return false;
    }
}

etw_event_record etw_schema_key_ask(const etw_schema_key *key)
{
    etw_event_record record = {.EventHeader = {.ProviderId = key->guid}};
    etw_event_descriptor *descriptor = &record.EventHeader.EventDescriptor;
    descriptor->Version = key->version;
    if (key->form == ETW_KEY_CLASSIC) {
        record.EventHeader.Flags = ETW_FLAG_CLASSIC_HEADER;
        descriptor->Opcode = (uint8_t)key->id;
    } else {
        record.EventHeader.Flags = key->form == ETW_KEY_MESSAGE ? ETW_FLAG_TRACE_MESSAGE : 0;
        descriptor->Id = key->id;
    }
    return record;
}
