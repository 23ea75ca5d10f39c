/* Files of samples (sample.h) written, opened and compared: for programs of cmocka, which is
 * included before. */
#ifndef ETW_TESTS_SAMPLE_FILE_H
#define ETW_TESTS_SAMPLE_FILE_H

#include "format/etwcap/reader.h"
#include "format/etwcap/verify.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#define EVENTS 3000u

static inline void write_sample(faulty_os *os, const char *path, uint32_t count,
                                const etw_writer_options *options)
{
    etw_error error;
    if (sample_write(faulty_os_table(os), path, count, options, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
}

static inline etw_source *open_sample(faulty_os *os, const char *path,
                                      const etw_reader_options *options)
{
    etw_source *source = NULL;
    etw_error error;
    if (etw_reader_open(faulty_os_table(os), path, options, &source, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
    return source;
}

/* Reads all; checks each event against the one that was written. */
static inline uint32_t expect_sample(etw_source *source, uint32_t *losses)
{
    etw_item item;
    etw_error error;
    etw_status status;
    uint32_t count = 0;
    *losses = 0;
    while ((status = etw_source_next(source, &item, &error)) == ETW_OK) {
        sample_event event;
        if (item.kind == ETW_ITEM_LOSS) {
            ++*losses;
            continue;
        }
        sample_make_event(count, &event);
        assert_true(sample_equal(item.record, &event.record));
        assert_int_equal(item.trace_index, count % 2);
        assert_int_equal(item.schema_id, sample_schema_id(count));
        count++;
    }
    assert_int_equal(status, ETW_END);
    return count;
}

static inline etw_file_summary summary_of(etw_source *source)
{
    etw_file_summary summary;
    etw_error error;
    assert_int_equal(etw_reader_summary(source, &summary, &error), ETW_OK);
    return summary;
}

static inline void expect_good(faulty_os *os, const char *path)
{
    etw_verify_report report;
    etw_error error;
    assert_int_equal(etw_verify(faulty_os_table(os), path, NULL, NULL, &report, &error), ETW_OK);
    assert_true(report.good);
}

#endif
