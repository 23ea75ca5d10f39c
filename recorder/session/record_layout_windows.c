/* Compile-time proof that this project's portable structures and numbers are those of Windows'
 * headers (mingw-w64's evntprov.h, evntcons.h, tdh.h). There is nothing to run. */
#include "format/event/tei.h"

#include <windows.h>

#include <evntcons.h>
#include <evntprov.h>
#include <tdh.h>

#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), "size of " #theirs)
#define SAME_MEMBER(ours, our_member, theirs, their_member)                                        \
    _Static_assert(offsetof(ours, our_member) == offsetof(theirs, their_member) &&                 \
                       sizeof(((ours *)0)->our_member) == sizeof(((theirs *)0)->their_member),     \
                   #theirs "." #their_member)
#define SAME_NUMBER(ours, theirs) _Static_assert((ours) == (int)(theirs), #theirs)

SAME_SIZE(etw_guid, GUID);
SAME_MEMBER(etw_guid, Data1, GUID, Data1);
SAME_MEMBER(etw_guid, Data2, GUID, Data2);
SAME_MEMBER(etw_guid, Data3, GUID, Data3);
SAME_MEMBER(etw_guid, Data4, GUID, Data4);

#define DESCRIPTOR(member) SAME_MEMBER(etw_event_descriptor, member, EVENT_DESCRIPTOR, member)
SAME_SIZE(etw_event_descriptor, EVENT_DESCRIPTOR);
DESCRIPTOR(Id);
DESCRIPTOR(Version);
DESCRIPTOR(Channel);
DESCRIPTOR(Level);
DESCRIPTOR(Opcode);
DESCRIPTOR(Task);
DESCRIPTOR(Keyword);

#define HEADER(member) SAME_MEMBER(etw_event_header, member, EVENT_HEADER, member)
SAME_SIZE(etw_event_header, EVENT_HEADER);
HEADER(Size);
HEADER(HeaderType);
HEADER(Flags);
HEADER(EventProperty);
HEADER(ThreadId);
HEADER(ProcessId);
HEADER(TimeStamp);
HEADER(ProviderId);
HEADER(EventDescriptor);
HEADER(KernelTime);
HEADER(UserTime);
HEADER(ProcessorTime);
HEADER(ActivityId);

#define CONTEXT(member) SAME_MEMBER(etw_buffer_context, member, ETW_BUFFER_CONTEXT, member)
SAME_SIZE(etw_buffer_context, ETW_BUFFER_CONTEXT);
CONTEXT(ProcessorNumber);
CONTEXT(Alignment);
CONTEXT(LoggerId);

#define ITEM(member)                                                                               \
    SAME_MEMBER(etw_extended_data_item, member, EVENT_HEADER_EXTENDED_DATA_ITEM, member)
SAME_SIZE(etw_extended_data_item, EVENT_HEADER_EXTENDED_DATA_ITEM);
ITEM(Reserved1);
ITEM(ExtType);
ITEM(DataSize);
ITEM(DataPtr);
/* Linkage is a bit-field there; it lies between its neighbours. */
_Static_assert(offsetof(etw_extended_data_item, Linkage) == 4, "Linkage");

#define RECORD(member) SAME_MEMBER(etw_event_record, member, EVENT_RECORD, member)
SAME_SIZE(etw_event_record, EVENT_RECORD);
RECORD(EventHeader);
RECORD(BufferContext);
RECORD(ExtendedDataCount);
RECORD(UserDataLength);
RECORD(ExtendedData);
RECORD(UserData);
RECORD(UserContext);

SAME_NUMBER(ETW_FLAG_EXTENDED_INFO, EVENT_HEADER_FLAG_EXTENDED_INFO);
SAME_NUMBER(ETW_FLAG_PRIVATE_SESSION, EVENT_HEADER_FLAG_PRIVATE_SESSION);
SAME_NUMBER(ETW_FLAG_STRING_ONLY, EVENT_HEADER_FLAG_STRING_ONLY);
SAME_NUMBER(ETW_FLAG_TRACE_MESSAGE, EVENT_HEADER_FLAG_TRACE_MESSAGE);
SAME_NUMBER(ETW_FLAG_NO_CPUTIME, EVENT_HEADER_FLAG_NO_CPUTIME);
SAME_NUMBER(ETW_FLAG_32_BIT_HEADER, EVENT_HEADER_FLAG_32_BIT_HEADER);
SAME_NUMBER(ETW_FLAG_64_BIT_HEADER, EVENT_HEADER_FLAG_64_BIT_HEADER);
SAME_NUMBER(ETW_FLAG_CLASSIC_HEADER, EVENT_HEADER_FLAG_CLASSIC_HEADER);
SAME_NUMBER(ETW_FLAG_PROCESSOR_INDEX, EVENT_HEADER_FLAG_PROCESSOR_INDEX);
SAME_NUMBER(ETW_PROPERTY_XML, EVENT_HEADER_PROPERTY_XML);
SAME_NUMBER(ETW_PROPERTY_FORWARDED_XML, EVENT_HEADER_PROPERTY_FORWARDED_XML);
SAME_NUMBER(ETW_PROPERTY_LEGACY_EVENTLOG, EVENT_HEADER_PROPERTY_LEGACY_EVENTLOG);

SAME_NUMBER(ETW_EXT_RELATED_ACTIVITYID, EVENT_HEADER_EXT_TYPE_RELATED_ACTIVITYID);
SAME_NUMBER(ETW_EXT_SID, EVENT_HEADER_EXT_TYPE_SID);
SAME_NUMBER(ETW_EXT_TS_ID, EVENT_HEADER_EXT_TYPE_TS_ID);
SAME_NUMBER(ETW_EXT_INSTANCE_INFO, EVENT_HEADER_EXT_TYPE_INSTANCE_INFO);
SAME_NUMBER(ETW_EXT_STACK_TRACE32, EVENT_HEADER_EXT_TYPE_STACK_TRACE32);
SAME_NUMBER(ETW_EXT_STACK_TRACE64, EVENT_HEADER_EXT_TYPE_STACK_TRACE64);
SAME_NUMBER(ETW_EXT_PEBS_INDEX, EVENT_HEADER_EXT_TYPE_PEBS_INDEX);
SAME_NUMBER(ETW_EXT_PMC_COUNTERS, EVENT_HEADER_EXT_TYPE_PMC_COUNTERS);

/* TRACE_EVENT_INFO there has one property behind its header; classic and manifest names share the
 * two offsets in front of the counts. */
#define TEI(member) SAME_MEMBER(etw_trace_event_info, member, TRACE_EVENT_INFO, member)
_Static_assert(sizeof(etw_trace_event_info) == offsetof(TRACE_EVENT_INFO, EventPropertyInfoArray),
               "size of TRACE_EVENT_INFO's header");
TEI(ProviderGuid);
TEI(EventGuid);
TEI(EventDescriptor);
TEI(DecodingSource);
TEI(ProviderNameOffset);
TEI(LevelNameOffset);
TEI(ChannelNameOffset);
TEI(KeywordsNameOffset);
TEI(TaskNameOffset);
TEI(OpcodeNameOffset);
TEI(EventMessageOffset);
TEI(ProviderMessageOffset);
TEI(BinaryXMLOffset);
TEI(BinaryXMLSize);
SAME_MEMBER(etw_trace_event_info, EventNameOffset, TRACE_EVENT_INFO, ActivityIDNameOffset);
SAME_MEMBER(etw_trace_event_info, EventAttributesOffset, TRACE_EVENT_INFO,
            RelatedActivityIDNameOffset);
TEI(PropertyCount);
TEI(TopLevelPropertyCount);
TEI(Flags);

#define PROPERTY(ours, theirs)                                                                     \
    SAME_MEMBER(etw_event_property_info, ours, EVENT_PROPERTY_INFO, theirs)
SAME_SIZE(etw_event_property_info, EVENT_PROPERTY_INFO);
PROPERTY(Flags, Flags);
PROPERTY(NameOffset, NameOffset);
PROPERTY(InType, nonStructType.InType);
PROPERTY(OutType, nonStructType.OutType);
PROPERTY(MapNameOffset, nonStructType.MapNameOffset);
PROPERTY(StructStartIndex, structType.StructStartIndex);
PROPERTY(NumOfStructMembers, structType.NumOfStructMembers);
PROPERTY(count, count);
PROPERTY(length, length);
PROPERTY(Tags, Reserved);

SAME_SIZE(etw_event_map_entry, EVENT_MAP_ENTRY);
SAME_MEMBER(etw_event_map_entry, OutputOffset, EVENT_MAP_ENTRY, OutputOffset);
SAME_MEMBER(etw_event_map_entry, Value, EVENT_MAP_ENTRY, Value);
_Static_assert(sizeof(etw_event_map_info) == offsetof(EVENT_MAP_INFO, MapEntryArray),
               "size of EVENT_MAP_INFO's header");
SAME_MEMBER(etw_event_map_info, NameOffset, EVENT_MAP_INFO, NameOffset);
SAME_MEMBER(etw_event_map_info, Flag, EVENT_MAP_INFO, Flag);
SAME_MEMBER(etw_event_map_info, EntryCount, EVENT_MAP_INFO, EntryCount);
SAME_MEMBER(etw_event_map_info, MapEntryValueType, EVENT_MAP_INFO, MapEntryValueType);

SAME_NUMBER(ETW_DECODING_XML_FILE, DecodingSourceXMLFile);
SAME_NUMBER(ETW_DECODING_WBEM, DecodingSourceWbem);
SAME_NUMBER(ETW_DECODING_WPP, DecodingSourceWPP);
SAME_NUMBER(ETW_TEMPLATE_EVENT_DATA, TEMPLATE_EVENT_DATA);
SAME_NUMBER(ETW_TEMPLATE_USER_DATA, TEMPLATE_USER_DATA);
SAME_NUMBER(ETW_PROP_STRUCT, PropertyStruct);
SAME_NUMBER(ETW_PROP_PARAM_LENGTH, PropertyParamLength);
SAME_NUMBER(ETW_PROP_PARAM_COUNT, PropertyParamCount);
SAME_NUMBER(ETW_PROP_WBEM_XML_FRAGMENT, PropertyWBEMXmlFragment);
SAME_NUMBER(ETW_PROP_PARAM_FIXED_LENGTH, PropertyParamFixedLength);
SAME_NUMBER(ETW_MAP_MANIFEST_VALUEMAP, EVENTMAP_INFO_FLAG_MANIFEST_VALUEMAP);
SAME_NUMBER(ETW_MAP_MANIFEST_BITMAP, EVENTMAP_INFO_FLAG_MANIFEST_BITMAP);
SAME_NUMBER(ETW_MAP_MANIFEST_PATTERNMAP, EVENTMAP_INFO_FLAG_MANIFEST_PATTERNMAP);
SAME_NUMBER(ETW_MAP_WBEM_VALUEMAP, EVENTMAP_INFO_FLAG_WBEM_VALUEMAP);
SAME_NUMBER(ETW_MAP_WBEM_BITMAP, EVENTMAP_INFO_FLAG_WBEM_BITMAP);
SAME_NUMBER(ETW_MAP_WBEM_FLAG, EVENTMAP_INFO_FLAG_WBEM_FLAG);
SAME_NUMBER(ETW_MAP_WBEM_NO_MAP, EVENTMAP_INFO_FLAG_WBEM_NO_MAP);
