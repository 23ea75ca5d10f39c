#include "recorder/capture/segment_finisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct etw_segment_finisher {
    pthread_t thread;
    atomic_bool done;
    etw_writer *writer;
    etw_schema_store *names; /* of providers; no schemas: those are with the writer already */
    etw_status status;
    etw_error error;
};

/* In the same order, since a writer remembers how many it has seen. */
static etw_schema_store *copy_names(const etw_schema_store *store)
{
    etw_schema_store *names = etw_schema_store_new();
    const etw_guid *provider;
    const char *name;
    for (uint32_t i = 0; names != NULL && etw_schema_store_provider_at(store, i, &provider, &name);
         i++) {
        if (etw_schema_store_set_provider_name(names, provider, name, NULL) != ETW_OK) {
            etw_schema_store_free(names);
            return NULL;
        }
    }
    return names;
}

static void *finish(void *context)
{
    etw_segment_finisher *finisher = context;
    finisher->status = etw_writer_finish(finisher->writer, &finisher->error);
    atomic_store(&finisher->done, true);
    return NULL;
}

etw_segment_finisher *etw_segment_finisher_start(etw_writer *writer, const etw_schema_store *store)
{
    etw_segment_finisher *finisher = calloc(1, sizeof *finisher);
    if (finisher == NULL) {
        return NULL;
    }
    finisher->writer = writer;
    finisher->names = copy_names(store);
    if (finisher->names != NULL) {
        etw_writer_use_store(writer, finisher->names);
        if (pthread_create(&finisher->thread, NULL, finish, finisher) == 0) {
            return finisher;
        }
        etw_writer_use_store(writer, store);
    }
    etw_schema_store_free(finisher->names);
    free(finisher);
    return NULL;
}

bool etw_segment_finisher_is_done(etw_segment_finisher *finisher)
{
    return atomic_load(&finisher->done);
}

etw_status etw_segment_finisher_end(etw_segment_finisher *finisher, etw_writer_counts *counts,
                                    etw_error *error)
{
    (void)pthread_join(finisher->thread, NULL);
    const etw_status status = finisher->status;
    if (status != ETW_OK && error != NULL) {
        *error = finisher->error;
    }
    etw_writer_get_counts(finisher->writer, counts);
    etw_writer_free(finisher->writer);
    etw_schema_store_free(finisher->names);
    free(finisher);
    return status;
}
