/* The inside of a decoder: for decoder.c, which decodes all, and decoder_kinds.c. */
#ifndef ETW_FORMAT_ETWCAP_DECODER_INSIDE_H
#define ETW_FORMAT_ETWCAP_DECODER_INSIDE_H

#include "format/etwcap/codec/block_memory.h"
#include "format/etwcap/codec/codec.h"
#include "format/etwcap/codec/event_arrays.h"
#include "format/etwcap/codec/events.h"
#include "format/etwcap/codec/payload_read.h"
#include "format/etwcap/codec/section_read.h"

typedef struct etw_decoded_kind {
    etw_event_record record; /* what all events of the kind have in common */
    const uint8_t *items;    /* 6 bytes each: Reserved1, ExtType, Linkage */
    uint32_t schema_id;
    uint16_t trace_index;
    uint16_t size_excess;
    uint32_t count, start; /* of its events in order */
    bool is_wanted;
    bool is_made; /* its records are: it is wanted, or one that is may be told from it */
} etw_decoded_kind;

typedef struct etw_decoded_event {
    uint32_t kind;
    uint32_t thread;
} etw_decoded_event;

struct etw_decoder {
    struct ZSTD_DCtx_s *context;
    etw_fields_reader fields;
    etw_payload_reader *payload;
    etw_section sections[ETW_SECTION_COUNT];
    etw_decoded_kind *kinds;
    uint32_t kind_count, kind_capacity;
    size_t kind_table_size;  /* of the headers: what stands before the column of kinds */
    uint32_t count;          /* events */
    etw_event_arrays arrays; /* for the next seven, the fields and the payload */
    etw_event_record *records;
    etw_decoded_event *events;
    uint32_t *order;
    uint64_t *threads; /* thread and process id together */
    uint32_t thread_count;
    uint64_t *last; /* by thread */
    etw_bytes *rows;
    etw_guid *activities;
    uint32_t *last_thread; /* by processor */
    etw_extended_data_item *items;
    size_t item_capacity;
    etw_block_memory item_data;
    bool out_of_memory; /* since the block began */
    etw_kind_choice choice;
    uint32_t wanted_kinds; /* no kind from this number on is wanted */
};

/* Starts a block, of which nothing is known. */
void etw_decoder_begin(etw_decoder *decoder);
/* Takes the arrays of its events, whose number is known. False where memory is out. */
bool etw_decoder_begin_events(etw_decoder *decoder);
/* What went wrong with it. */
etw_status etw_decoder_failed(const etw_decoder *decoder, etw_error *error);
bool etw_decoder_is_out_of_memory(const etw_decoder *decoder);
/* Of kinds: those that are wanted, and those that these may be told from. */
void etw_decoder_choose_made(etw_decoder *decoder);
/* The table that the headers begin with, of count events. */
bool etw_decoder_read_kind_table(etw_decoder *decoder, etw_cursor *cursor);

#endif
