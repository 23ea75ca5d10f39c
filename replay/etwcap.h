/* etwcap: reads, records and replays Windows event traces. This is the header to include; it
 * includes all other public ones, and is plain C11 that C++17 takes as it is.
 *
 *     cc program.c $(pkg-config --cflags --libs etwcap)
 *
 * Where to begin:
 *     a saved trace, .etwcap or .etl      etw_replay_open           replay/replay.h
 *     a live session (Windows)            etw_session_open          recorder/session/session.h
 *     both behind one handle              etw_consume               format/event/consumer.h
 *     an event's properties               etw_event_property_value  format/event/event.h
 *     an event's process                  etw_event_process_of      format/event/event.h
 *     processes, threads, images          etw_replay_state          replay/query/state.h
 *     an event as JSON                    etw_event_json            format/output/event_json.h
 *     many at a time, for other languages etw_event_batch_open      replay/event_batch.h
 *     tests of a consumer                 etw_test_run_text         replay/testing.h
 *     files as the tools take them        etw_inputs_each           format/input/input.h
 *     every format of the tools           etw_output_find           format/output/output.h
 *     counts and measures of events       etw_statistics_new        replay/query/statistics.h
 *     schemas from traces and packs       etw_donor_open            format/input/donor_file.h
 *     recording into a file               etw_capture_open          recorder/capture/capture.h
 *     writing a file event by event       etw_writer_create         format/etwcap/writer.h
 *
 * The tools are made of nothing else: what they do, a program can do with these functions.
 *
 * The rules below hold for every function, unless its own comment says otherwise.
 *
 * Results. A function that can fail returns an etw_status, which must be looked at (etw_failed).
 * ETW_END and ETW_AGAIN are results, not failures: there is no more; nothing came in time, ask
 * again. An etw_error is the caller's own, and may be NULL; its message says what failed, where,
 * and what to do. It is set on failure only.
 *
 * Handles. A function that opens, creates or makes something gives it through a pointer, and sets
 * that to NULL first: after a failure there is nothing to close, and closing NULL does nothing.
 * An argument that must not be NULL and is gives ETW_ERROR_INVALID_ARGUMENT.
 *
 * Ownership. What a handle gives (events, records, schemas, names, bytes) is lent: events until the
 * callback returns or the next call of the loop, the rest as long as the handle. Options are
 * copied; what they point to must live as long as the handle. An etw_text is the caller's: all zero
 * is an empty one, etw_text_free frees it.
 *
 * Threads. A handle and all it lends belong to one thread at a time; different handles are
 * independent, and the library has no state of its own. Any thread may call etw_replay_stop,
 * etw_session_stop and etw_consumer_stop; the loop then ends with ETW_OK (process) or ETW_END
 * (next). A handle is not closed inside its own callback.
 *
 * The operating system. Functions that open files take an etw_os (format/base/os.h), in their
 * options or as an argument; NULL is the real one. */
#ifndef ETWCAP_H
#define ETWCAP_H

/* Included here, so that they are not inside the extern "C" below. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "format/base/version.h"
#include "format/etl/etl.h"
#include "format/etwcap/pack_reader.h"
#include "format/etwcap/pack_writer.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/side_body.h"
#include "format/etwcap/verify.h"
#include "format/etwcap/whole_block.h"
#include "format/etwcap/writer.h"
#include "format/event/consumer.h"
#include "format/event/donor.h"
#include "format/event/merge.h"
#include "format/event/oracle.h"
#include "format/event/rundown.h"
#include "format/event/sort.h"
#include "format/event/tei.h"
#include "format/event/unexplained.h"
#include "format/fixture/fixture.h"
#include "format/input/donor_file.h"
#include "format/input/input.h"
#include "format/output/event_json.h"
#include "format/output/output.h"
#include "format/output/schema_listing.h"
#include "format/query/field.h"
#include "format/query/where.h"
#include "format/schema/classic.h"
#include "format/schema/pe_identity.h"
#include "format/schema/resolver.h"
#include "format/schema/unexplained_report.h"
#include "recorder/boot/boot_plan.h"
#include "recorder/boot/boot_registry.h"
#include "recorder/capture/capture.h"
#include "recorder/capture/etwcap_source.h"
#include "recorder/capture/event_filter.h"
#include "recorder/capture/flight.h"
#include "recorder/rundown/host_rundown.h"
#include "recorder/rundown/identity_cache.h"
#include "recorder/rundown/rundown_events.h"
#include "recorder/rundown/rundown_job.h"
#include "recorder/session/oracle_source.h"
#include "recorder/session/provider_catalog.h"
#include "recorder/session/provider_fields.h"
#include "recorder/session/queued_pump.h"
#include "recorder/session/session.h"
#include "recorder/session/system_providers.h"
#include "recorder/session/tdh_source.h"
#include "replay/event_batch.h"
#include "replay/query/pairs.h"
#include "replay/query/stacks.h"
#include "replay/query/state.h"
#include "replay/query/state_pass.h"
#include "replay/query/statistics.h"
#include "replay/replay.h"
#include "replay/replay_input.h"
#include "replay/testing.h"
#include "replay/whole_blocks.h"

#ifdef __cplusplus
}
#endif

#endif
