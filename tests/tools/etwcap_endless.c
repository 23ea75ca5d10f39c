/* Records made-up events without end, to be killed: etwcap_endless OUT.etwcap. After each flush it
 * prints how many events are with the operating system; these must be readable, whenever it is
 * killed. */
#include <stdio.h>

#include "format/etwcap/writer.h"

#define EVENTS_PER_FLUSH 97u

static etw_status add_event(etw_writer *writer, uint64_t number, etw_error *error)
{
    char data[64];
    etw_event_record record = {.UserData = data};
    record.UserDataLength =
        (uint16_t)snprintf(data, sizeof data, "event %llu of many", (unsigned long long)number);
    record.EventHeader.TimeStamp = 132500000000000000 + (int64_t)number;
    record.EventHeader.EventDescriptor.Id = (uint16_t)(number % 13);
    return etw_writer_add_event(writer, &record, 0, 0, error);
}

static etw_status record(etw_writer *writer, etw_error *error)
{
    const etw_trace trace = {.clock.type = ETW_CLOCK_SYSTEM_TIME, .pointer_size = 8};
    uint16_t trace_index;
    etw_status status = etw_writer_add_trace(writer, &trace, &trace_index, error);
    for (uint64_t number = 1; status == ETW_OK; number++) {
        status = add_event(writer, number, error);
        if (status == ETW_OK && number % EVENTS_PER_FLUSH == 0) {
            status = etw_writer_flush(writer, error);
            (void)printf("%llu\n", (unsigned long long)number);
            (void)fflush(stdout);
        }
    }
    return status;
}

int main(int argument_count, char **arguments)
{
    const etw_writer_options options = {.replace = true, .threads = 2};
    etw_error error = {ETW_OK, 0, ""};
    etw_writer *writer;
    if (argument_count != 2) {
        (void)fprintf(stderr, "usage: etwcap_endless OUT.etwcap\n");
        return 2;
    }
    etw_status status =
        etw_writer_create(etw_os_default(), arguments[1], &options, &writer, &error);
    if (status == ETW_OK) {
        status = record(writer, &error);
        etw_writer_free(writer);
    }
    (void)fprintf(stderr, "%s\n", error.message);
    return status == ETW_OK ? 0 : 1;
}
