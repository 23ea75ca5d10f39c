/* How a WPP message is told in TRACE_EVENT_INFO (SCHEMAS.md, "WPP messages"): DecodingSource WPP,
 * one property per argument, the format string as event message. What the in and out type of a
 * property do not tell of its item type stands in the property's tags. */
#ifndef ETW_FORMAT_EVENT_WPP_KIND_H
#define ETW_FORMAT_EVENT_WPP_KIND_H

/* Stored in files: values never change. */
typedef enum etw_wpp_kind {
    ETW_WPP_PLAIN = 0,  /* the types tell all */
    ETW_WPP_LIST,       /* ItemListByte(...): 0x00000002(DPC) */
    ETW_WPP_SET,        /* ItemSetLong(...): [1,3] */
    ETW_WPP_ENUM,       /* ItemEnum(T): its name */
    ETW_WPP_FLAGS,      /* ItemFlagsEnum(T): FlagRead | FlagExec(0x5) */
    ETW_WPP_TIME_DELTA, /* ItemTimeDelta: 5.000s */
    ETW_WPP_WAIT_TIME   /* ItemWaitTime: days~hours:minutes:seconds */
} etw_wpp_kind;

/* The first argument's number in a format: %10!s! */
#define ETW_WPP_FIRST_ARGUMENT 10u

#endif
