/* diff: two traces compared event by event, by their bytes and their providers' names. */
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct side {
    const char *name;
    etw_replay *replay;
    const etw_event *event; /* NULL: the trace has ended */
} side;

typedef struct diff {
    side sides[2];
    uint64_t compared;
    uint64_t different;
} diff;

static etw_status read_on(side *s, etw_error *error)
{
    const etw_status status = etw_replay_next(s->replay, &s->event, error);
    if (status == ETW_END) {
        s->event = NULL;
        return ETW_OK;
    }
    return etw_failed(status) ? etw_error_wrap(error, status, "%s", s->name) : status;
}

/* What differs, in the order of the record; NULL where the records are the same, byte for byte. */
static const char *difference_of_records(const etw_event_record *a, const etw_event_record *b)
{
    if (memcmp(&a->EventHeader, &b->EventHeader, sizeof a->EventHeader) != 0) {
        return a->EventHeader.TimeStamp != b->EventHeader.TimeStamp ? "time stamp" : "header";
    }
    if (memcmp(&a->BufferContext, &b->BufferContext, sizeof a->BufferContext) != 0) {
        return "buffer context";
    }
    if (a->UserDataLength != b->UserDataLength ||
        (a->UserDataLength > 0 && memcmp(a->UserData, b->UserData, a->UserDataLength) != 0)) {
        return "user data";
    }
    if (a->ExtendedDataCount != b->ExtendedDataCount) {
        return "number of extended items";
    }
    for (uint16_t i = 0; i < a->ExtendedDataCount; i++) {
        const etw_extended_data_item *x = &a->ExtendedData[i];
        const etw_extended_data_item *y = &b->ExtendedData[i];
        if (x->ExtType != y->ExtType || x->Linkage != y->Linkage || x->DataSize != y->DataSize ||
            x->Reserved1 != y->Reserved1 ||
            (x->DataSize > 0 &&
             memcmp(etw_item_bytes(x).data, etw_item_bytes(y).data, x->DataSize) != 0)) {
            return "extended items";
        }
    }
    return NULL;
}

static bool is_same_name(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Also the provider's name, which is not in the record. */
static const char *difference(const etw_event *a, const etw_event *b)
{
    const char *what = difference_of_records(etw_event_record_of(a), etw_event_record_of(b));
    const bool is_same = is_same_name(etw_event_provider_name(a), etw_event_provider_name(b));
    return what == NULL && !is_same ? "provider's name" : what;
}

static void print_side(char sign, const side *s)
{
    const etw_event_record *record = etw_event_record_of(s->event);
    const etw_event_descriptor *d = &record->EventHeader.EventDescriptor;
    etw_text line = {0};
    etw_text_append_time(&line, etw_event_time_100ns(s->event));
    etw_text_append_char(&line, ' ');
    if (etw_event_provider_name(s->event) != NULL) {
        const char *name = etw_event_provider_name(s->event);
        etw_text_append_utf8(&line, (const uint8_t *)name, strlen(name), ETW_ESCAPE_LINE);
    } else {
        etw_text_append_guid(&line, &record->EventHeader.ProviderId);
    }
    etw_text_printf(&line, " id %u opcode %u process %u, %u bytes, %u items", d->Id, d->Opcode,
                    record->EventHeader.ProcessId, record->UserDataLength,
                    record->ExtendedDataCount);
    (void)printf("%c %s\n", sign, etw_text_z(&line));
    etw_text_free(&line);
}

static void tell(const diff *d, const char *what, uint32_t limit)
{
    if (d->different > limit) {
        return;
    }
    (void)printf("event %" PRIu64 ": %s\n", d->compared, what);
    if (d->sides[0].event != NULL) {
        print_side('-', &d->sides[0]);
    }
    if (d->sides[1].event != NULL) {
        print_side('+', &d->sides[1]);
    }
}

static etw_status compare(diff *d, uint32_t limit, etw_error *error)
{
    for (;;) {
        for (size_t i = 0; i < 2; i++) {
            const etw_status status = read_on(&d->sides[i], error);
            if (etw_failed(status)) {
                return status;
            }
        }
        const etw_event *a = d->sides[0].event;
        const etw_event *b = d->sides[1].event;
        if (a == NULL && b == NULL) {
            return ETW_OK;
        }
        d->compared++;
        const char *what = a == NULL || b == NULL ? "only one trace has it" : difference(a, b);
        if (what != NULL) {
            d->different++;
            tell(d, what, limit);
        }
        if (a == NULL || b == NULL) {
            return ETW_OK; /* the rest of the longer trace has no counterpart either */
        }
    }
}

static etw_status run(diff *d, const etw_replay_arguments *arguments, etw_error *error)
{
    etw_status status = ETW_OK;
    for (size_t i = 0; i < 2 && !etw_failed(status); i++) {
        etw_replay_options options = arguments->replay;
        options.raw_time = true;
        d->sides[i].name = etw_tool_name(arguments->inputs[i]);
        status =
            etw_tool_open(arguments, arguments->inputs[i], &options, &d->sides[i].replay, error);
    }
    return etw_failed(status) ? status : compare(d, arguments->max_differences, error);
}

static etw_exit conclude(const diff *d, const etw_replay_arguments *arguments)
{
    etw_replay_totals totals[2];
    etw_replay_get_totals(d->sides[0].replay, &totals[0]);
    etw_replay_get_totals(d->sides[1].replay, &totals[1]);
    etw_tool_say_unseen_names(d->sides[0].replay);
    if (!arguments->quiet) {
        etw_tool_say("%" PRIu64 " events compared, %" PRIu64 " differ%s", d->compared, d->different,
                     (d->sides[0].event == NULL) == (d->sides[1].event == NULL)
                         ? ""
                         : "; one trace has more");
    }
    if (d->different > 0 || fflush(stdout) != 0) {
        return ETW_EXIT_FAILED;
    }
    const etw_exit first = etw_tool_conclude(arguments, &totals[0]);
    const etw_exit second = etw_tool_conclude(arguments, &totals[1]);
    return first == ETW_EXIT_WELL ? second : first;
}

etw_exit etw_verb_diff(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    diff d = {0};
    const etw_status status = run(&d, arguments, &error);
    const etw_exit result = etw_failed(status) ? etw_tool_fail(&error) : conclude(&d, arguments);
    etw_replay_close(d.sides[0].replay);
    etw_replay_close(d.sides[1].replay);
    return result;
}
