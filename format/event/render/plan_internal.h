/* What a plan is made of; for plan*.c, walk.c, value*.c and message*.c only. */
#ifndef ETW_FORMAT_EVENT_PLAN_INTERNAL_H
#define ETW_FORMAT_EVENT_PLAN_INTERNAL_H

#include "format/base/arena.h"
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "format/event/wpp_kind.h"

/* How the bytes of one element are found. */
typedef enum etw_take {
    ETW_TAKE_FIXED,           /* fixed_size bytes */
    ETW_TAKE_POINTER,         /* as many as the record's pointers have */
    ETW_TAKE_NOTHING,         /* in type NULL, and binary data without a length */
    ETW_TAKE_WIDE_STRING,     /* to the NUL, or length units */
    ETW_TAKE_NARROW_STRING,   /* to the NUL, or length bytes */
    ETW_TAKE_BYTES,           /* length bytes */
    ETW_TAKE_SID,             /* as its own count of sub-authorities says */
    ETW_TAKE_WBEM_SID,        /* TOKEN_USER and SID, or four zero bytes */
    ETW_TAKE_COUNTED,         /* 16-bit byte count first */
    ETW_TAKE_REVERSE_COUNTED, /* the same, big-endian */
    ETW_TAKE_HEX_DUMP,        /* 32-bit byte count first */
    ETW_TAKE_REST,            /* all that is left */
    ETW_TAKE_CHARACTERS,      /* an array of characters shown as one string */
    ETW_TAKE_STRUCT,
    ETW_TAKE_UNKNOWN /* no such in type: the walk stops here */
} etw_take;

/* How the bytes become text. */
typedef enum etw_show {
    ETW_SHOW_EMPTY,
    ETW_SHOW_I8,
    ETW_SHOW_U8,
    ETW_SHOW_I16,
    ETW_SHOW_U16,
    ETW_SHOW_I32,
    ETW_SHOW_U32,
    ETW_SHOW_I64,
    ETW_SHOW_U64,
    ETW_SHOW_HEX,     /* an unsigned integer of the element's size */
    ETW_SHOW_DECIMAL, /* the same in decimal: pointers shown as LONG, UNSIGNEDLONG */
    ETW_SHOW_SIGNED_DECIMAL,
    ETW_SHOW_PORT,
    ETW_SHOW_IPV4,
    ETW_SHOW_BOOLEAN, /* any size */
    ETW_SHOW_FLOAT,
    ETW_SHOW_DOUBLE,
    ETW_SHOW_HRESULT,
    ETW_SHOW_WIN32_ERROR,
    ETW_SHOW_NTSTATUS,
    ETW_SHOW_HEX_BINARY,
    ETW_SHOW_IPV6,
    ETW_SHOW_SOCKET_ADDRESS,
    ETW_SHOW_GUID,
    ETW_SHOW_FILETIME,
    ETW_SHOW_SYSTEMTIME,
    ETW_SHOW_SID,
    ETW_SHOW_UTF16,
    ETW_SHOW_ANSI,
    ETW_SHOW_UTF8,
    ETW_SHOW_LZNT1 /* compressed UTF-16 */
} etw_show;

#define ETW_NO_SLOT UINT16_MAX

/* A value map is sorted by value; the masks of a bit map keep the map's own order. */
typedef struct etw_plan_map_entry {
    uint32_t value;
    uint32_t order; /* in the map */
    etw_name text;
} etw_plan_map_entry;

typedef struct etw_plan_map {
    bool is_bit_map;
    uint32_t count;
    const etw_plan_map_entry *entries;
} etw_plan_map;

struct etw_property {
    etw_name name;
    const etw_plan_map *map;        /* NULL: none */
    etw_error_texts *const *errors; /* as in the schema */
    uint32_t fixed_size;
    uint16_t in_type;
    uint16_t out_type;
    uint16_t count;       /* of an array, where no slot gives it */
    uint16_t length;      /* where no slot gives it */
    uint16_t count_slot;  /* which earlier value is the count, or ETW_NO_SLOT */
    uint16_t length_slot; /* which earlier value is the length, or ETW_NO_SLOT */
    uint16_t value_slot;  /* where this value is kept for others, or ETW_NO_SLOT */
    uint16_t first_member;
    uint16_t member_count;
    uint16_t nth;     /* among siblings of the same name, from 1; of the first struct that has it */
    uint8_t take;     /* an etw_take */
    uint8_t show;     /* an etw_show */
    uint8_t wpp_kind; /* an etw_wpp_kind; 0 but for arguments of WPP messages */
    bool is_array;
    bool has_length; /* strings: length counts, even where it is 0 */
    bool no_print;   /* TDH gives no text for it */
    bool is_marked;  /* times that TDH writes with U+200E marks */
};

struct etw_plan {
    etw_property *properties;
    uint32_t property_count;
    uint32_t top_count;
    uint32_t slot_count;
    uint32_t decoding_source;
    etw_name provider_name;
    etw_name event_name;
    etw_name task_name;
    etw_name opcode_name;
    etw_name level_name;
    etw_name channel_name;
    etw_name event_message;
    etw_name source_file; /* of WPP messages */
    uint32_t keyword_count;
    etw_name *keywords;
    etw_arena arena; /* names and maps */
};

/* Memory that the plan holds, to within the allocator's own. */
size_t etw_plan_size_bytes(const etw_plan *plan);

/* plan_types.c: the rules of TEXT.md for a pair of types. */
etw_take etw_take_of(uint16_t in_type);
etw_show etw_show_of(uint16_t in_type, uint16_t out_type);

/* value_map.c: the entry of a value map; NULL where it has none. */
const etw_plan_map_entry *etw_plan_map_find(const etw_plan_map *map, uint32_t value);
/* Whether a bit map's entry names some of the value. */
bool etw_plan_map_has_bits(const etw_plan_map_entry *entry, uint32_t value);
/* The map's name for the value; NULL where it has none. */
const etw_name *etw_plan_map_name(const etw_plan_map *map, uint32_t value);
/* False, and nothing appended, where the map has no text for the value: it is then shown as a
 * number. trim: without the space that the message compiler puts behind each text. */
bool etw_value_append_mapped(etw_text *text, const etw_plan_map *map, uint32_t value, bool trim,
                             etw_escape escape);

/* value.c: an integer's bytes, of 1, 2, 4 or 8. */
uint64_t etw_value_unsigned(etw_bytes bytes);
int64_t etw_value_signed(etw_bytes bytes);
double etw_value_float(etw_bytes bytes);
double etw_value_double(etw_bytes bytes);
/* The text of a value whose map, if it has one, does not know it. False: TDH refuses it, and its
 * bytes are shown. */
bool etw_value_append_shown(etw_text *text, const etw_property *property, etw_bytes bytes,
                            bool exact, etw_escape escape);

/* message_wpp.c: etw_plan_append_message of a WPP message (tmf format; TEXT.md). */
etw_status etw_plan_append_wpp_message(const etw_plan *plan, const etw_event_record *record,
                                       uint32_t pointer_size, uint32_t form, etw_escape escape,
                                       etw_text *text);

#endif
