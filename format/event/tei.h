/* TRACE_EVENT_INFO and EVENT_MAP_INFO (tdh.h): layout, names of their numbers, bounded access.
 *
 * The blobs come from TDH, from traces and from this project's own builders, so nothing in them is
 * trusted: a view checks header and arrays once, and each string when it is asked for. Strings are
 * UTF-16LE and NUL terminated; all offsets count from the start of their blob; 0 means absent. */
#ifndef ETW_FORMAT_EVENT_TEI_H
#define ETW_FORMAT_EVENT_TEI_H

#include "format/event/record.h"

typedef struct etw_trace_event_info {
    etw_guid ProviderGuid;
    etw_guid EventGuid;
    etw_event_descriptor EventDescriptor;
    uint32_t DecodingSource; /* an ETW_DECODING_... */
    uint32_t ProviderNameOffset;
    uint32_t LevelNameOffset;
    uint32_t ChannelNameOffset;
    uint32_t KeywordsNameOffset; /* strings one after the other, the list ended by an empty one */
    uint32_t TaskNameOffset;
    uint32_t OpcodeNameOffset;
    uint32_t EventMessageOffset;
    uint32_t ProviderMessageOffset;
    uint32_t BinaryXMLOffset;
    uint32_t BinaryXMLSize;
    uint32_t EventNameOffset;       /* of classic events: ActivityIDNameOffset */
    uint32_t EventAttributesOffset; /* of classic events: RelatedActivityIDNameOffset */
    uint32_t PropertyCount;         /* members of structs included */
    uint32_t TopLevelPropertyCount; /* these come first */
    uint32_t Flags;                 /* low 4 bits: ETW_TEMPLATE_...; the rest: event tags */
} etw_trace_event_info;

typedef struct etw_event_property_info {
    uint32_t Flags; /* ETW_PROP_... */
    uint32_t NameOffset;
    union {
        uint16_t InType;           /* ETW_IN_... */
        uint16_t StructStartIndex; /* with ETW_PROP_STRUCT */
    };
    union {
        uint16_t OutType; /* ETW_OUT_... */
        uint16_t NumOfStructMembers;
    };
    union {
        uint32_t MapNameOffset;
        uint32_t CustomSchemaOffset; /* of a struct with ETW_PROP_HAS_CUSTOM_SCHEMA */
    };
    union {
        uint16_t count;
        uint16_t countPropertyIndex; /* with ETW_PROP_PARAM_COUNT */
    };
    union {
        uint16_t length;
        uint16_t lengthPropertyIndex; /* with ETW_PROP_PARAM_LENGTH */
    };
    uint32_t Tags; /* upper 28 bits, with ETW_PROP_HAS_TAGS */
} etw_event_property_info;

typedef struct etw_event_map_entry {
    uint32_t OutputOffset;
    uint32_t Value; /* of pattern maps: InputOffset */
} etw_event_map_entry;

typedef struct etw_event_map_info {
    uint32_t NameOffset;
    uint32_t Flag; /* ETW_MAP_... */
    uint32_t EntryCount;
    uint32_t MapEntryValueType; /* of pattern maps: FormatStringOffset */
} etw_event_map_info;

/* DECODING_SOURCE */
enum {
    ETW_DECODING_XML_FILE = 0, /* manifest */
    ETW_DECODING_WBEM = 1,     /* MOF class */
    ETW_DECODING_WPP = 2,
    ETW_DECODING_TLG = 3
};

/* TEMPLATE_FLAGS */
enum { ETW_TEMPLATE_EVENT_DATA = 1, ETW_TEMPLATE_USER_DATA = 2, ETW_TEMPLATE_CONTROL_GUID = 4 };
#define ETW_TEI_TAGS_SHIFT 4u

/* PROPERTY_FLAGS */
enum {
    ETW_PROP_STRUCT = 0x01,
    ETW_PROP_PARAM_LENGTH = 0x02,
    ETW_PROP_PARAM_COUNT = 0x04,
    ETW_PROP_WBEM_XML_FRAGMENT = 0x08,
    ETW_PROP_PARAM_FIXED_LENGTH = 0x10,
    ETW_PROP_PARAM_FIXED_COUNT = 0x20,
    ETW_PROP_HAS_TAGS = 0x40,
    ETW_PROP_HAS_CUSTOM_SCHEMA = 0x80
};

/* MAP_FLAGS */
enum {
    ETW_MAP_MANIFEST_VALUEMAP = 0x01,
    ETW_MAP_MANIFEST_BITMAP = 0x02,
    ETW_MAP_MANIFEST_PATTERNMAP = 0x04,
    ETW_MAP_WBEM_VALUEMAP = 0x08,
    ETW_MAP_WBEM_BITMAP = 0x10,
    ETW_MAP_WBEM_FLAG = 0x20,
    ETW_MAP_WBEM_NO_MAP = 0x40
};

/* TDH_IN_TYPE */
enum {
    ETW_IN_NULL = 0,
    ETW_IN_UNICODESTRING = 1,
    ETW_IN_ANSISTRING = 2,
    ETW_IN_INT8 = 3,
    ETW_IN_UINT8 = 4,
    ETW_IN_INT16 = 5,
    ETW_IN_UINT16 = 6,
    ETW_IN_INT32 = 7,
    ETW_IN_UINT32 = 8,
    ETW_IN_INT64 = 9,
    ETW_IN_UINT64 = 10,
    ETW_IN_FLOAT = 11,
    ETW_IN_DOUBLE = 12,
    ETW_IN_BOOLEAN = 13,
    ETW_IN_BINARY = 14,
    ETW_IN_GUID = 15,
    ETW_IN_POINTER = 16,
    ETW_IN_FILETIME = 17,
    ETW_IN_SYSTEMTIME = 18,
    ETW_IN_SID = 19,
    ETW_IN_HEXINT32 = 20,
    ETW_IN_HEXINT64 = 21,
    ETW_IN_MANIFEST_COUNTEDSTRING = 22,
    ETW_IN_MANIFEST_COUNTEDANSISTRING = 23,
    ETW_IN_MANIFEST_COUNTEDBINARY = 25,
    ETW_IN_COUNTEDSTRING = 300,
    ETW_IN_COUNTEDANSISTRING = 301,
    ETW_IN_REVERSEDCOUNTEDSTRING = 302,
    ETW_IN_REVERSEDCOUNTEDANSISTRING = 303,
    ETW_IN_NONNULLTERMINATEDSTRING = 304,
    ETW_IN_NONNULLTERMINATEDANSISTRING = 305,
    ETW_IN_UNICODECHAR = 306,
    ETW_IN_ANSICHAR = 307,
    ETW_IN_SIZET = 308,
    ETW_IN_HEXDUMP = 309,
    ETW_IN_WBEMSID = 310
};

/* TDH_OUT_TYPE */
enum {
    ETW_OUT_NULL = 0,
    ETW_OUT_STRING = 1,
    ETW_OUT_DATETIME = 2,
    ETW_OUT_BYTE = 3,
    ETW_OUT_UNSIGNEDBYTE = 4,
    ETW_OUT_SHORT = 5,
    ETW_OUT_UNSIGNEDSHORT = 6,
    ETW_OUT_INT = 7,
    ETW_OUT_UNSIGNEDINT = 8,
    ETW_OUT_LONG = 9,
    ETW_OUT_UNSIGNEDLONG = 10,
    ETW_OUT_FLOAT = 11,
    ETW_OUT_DOUBLE = 12,
    ETW_OUT_BOOLEAN = 13,
    ETW_OUT_GUID = 14,
    ETW_OUT_HEXBINARY = 15,
    ETW_OUT_HEXINT8 = 16,
    ETW_OUT_HEXINT16 = 17,
    ETW_OUT_HEXINT32 = 18,
    ETW_OUT_HEXINT64 = 19,
    ETW_OUT_PID = 20,
    ETW_OUT_TID = 21,
    ETW_OUT_PORT = 22,
    ETW_OUT_IPV4 = 23,
    ETW_OUT_IPV6 = 24,
    ETW_OUT_SOCKETADDRESS = 25,
    ETW_OUT_CIMDATETIME = 26,
    ETW_OUT_ETWTIME = 27,
    ETW_OUT_XML = 28,
    ETW_OUT_ERRORCODE = 29,
    ETW_OUT_WIN32ERROR = 30,
    ETW_OUT_NTSTATUS = 31,
    ETW_OUT_HRESULT = 32,
    ETW_OUT_CULTURE_INSENSITIVE_DATETIME = 33,
    ETW_OUT_JSON = 34,
    ETW_OUT_UTF8 = 35,
    ETW_OUT_PKCS7_WITH_TYPE_INFO = 36,
    ETW_OUT_CODE_POINTER = 37,
    ETW_OUT_DATETIME_UTC = 38,
    ETW_OUT_REDUCEDSTRING = 300,
    ETW_OUT_NOPRINT = 301
};

/* The bytes that the in type always takes; 0 where that depends on the data, on a length or on the
 * pointer size, and for types that do not exist. */
ETW_API uint32_t etw_in_type_size(uint16_t in_type);

/* "UINT32", "HEXINT64": the type's name after TDH_INTYPE_ or TDH_OUTTYPE_; NULL where unknown. */
ETW_API const char *etw_in_type_name(uint16_t in_type);
ETW_API const char *etw_out_type_name(uint16_t out_type);

/* A view of one TRACE_EVENT_INFO; lent, like its bytes. */
typedef struct etw_tei {
    etw_bytes bytes;
    etw_trace_event_info info; /* a copy: the blob may lie at any alignment */
} etw_tei;

/* DAMAGED where the header or the property array is not inside the bytes, or the counts break the
 * limits of schema.h. */
ETW_API_CHECKED etw_status etw_tei_open(etw_bytes bytes, etw_tei *tei, etw_error *error);
/* index < info.PropertyCount. */
ETW_API etw_event_property_info etw_tei_property(const etw_tei *tei, uint32_t index);
/* The string's units without its NUL; empty for offset 0. False where it is not inside the blob or
 * has no end there. */
ETW_API bool etw_tei_string(const etw_tei *tei, uint32_t offset, etw_bytes *units);

/* A view of one EVENT_MAP_INFO. */
typedef struct etw_map {
    etw_bytes bytes;
    etw_event_map_info info;
} etw_map;

ETW_API_CHECKED etw_status etw_map_open(etw_bytes bytes, etw_map *map, etw_error *error);
/* index < info.EntryCount. */
ETW_API etw_event_map_entry etw_map_entry(const etw_map *map, uint32_t index);
ETW_API bool etw_map_string(const etw_map *map, uint32_t offset, etw_bytes *units);

#endif
