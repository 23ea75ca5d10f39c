#include "recorder/rundown/rundown_job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A host of 300 processes with 100 images each needs some 2 MiB. */
#define BLOB_BYTES ((size_t)1 << 20)
#define MAX_BLOBS  16u

typedef struct kept_blob {
    uint8_t *data;
    size_t size;
    uint32_t processes;
} kept_blob;

struct etw_rundown_job {
    pthread_t thread;
    atomic_bool done;
    bool joined;
    kept_blob blobs[MAX_BLOBS];
    uint32_t blob_count;
    etw_buffer events;
    etw_rundown_sink sink;
    etw_status status;
    etw_error error;
};

static etw_status keep(void *context, etw_bytes blob, uint32_t processes, etw_error *error)
{
    etw_rundown_job *job = context;
    uint8_t *copy = job->blob_count == MAX_BLOBS ? NULL : malloc(blob.size + 1);
    if (copy == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    memcpy(copy, blob.data, blob.size);
    job->blobs[job->blob_count++] = (kept_blob){copy, blob.size, processes};
    return ETW_OK;
}

static void *run(void *context)
{
    etw_rundown_job *job = context;
    job->status = etw_host_rundown(&job->sink, &job->error);
    atomic_store(&job->done, true);
    return NULL;
}

etw_rundown_job *etw_rundown_job_start(etw_identity_cache *cache)
{
    etw_rundown_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return NULL;
    }
    job->sink = (etw_rundown_sink){.max_bytes = BLOB_BYTES,
                                   .put = keep,
                                   .context = job,
                                   .events = &job->events,
                                   .max_event_bytes = ETW_RUNDOWN_MAX_EVENT_BYTES,
                                   .cache = cache};
    if (pthread_create(&job->thread, NULL, run, job) != 0) {
        free(job);
        return NULL;
    }
    return job;
}

etw_bytes etw_rundown_job_events(const etw_rundown_job *job)
{
    return job->events.failed ? (etw_bytes){NULL, 0} : etw_buffer_bytes(&job->events);
}

const etw_rundown_gaps *etw_rundown_job_gaps(const etw_rundown_job *job)
{
    return &job->sink.gaps;
}

bool etw_rundown_job_is_done(etw_rundown_job *job, bool wait)
{
    if (!job->joined && (wait || atomic_load(&job->done))) {
        (void)pthread_join(job->thread, NULL);
        job->joined = true;
    }
    return job->joined;
}

etw_status etw_rundown_job_take(etw_rundown_job *job,
                                etw_status (*put)(void *context, etw_bytes blob, uint32_t processes,
                                                  etw_error *error),
                                void *context, etw_error *error)
{
    etw_status status = job->status;
    if (status != ETW_OK && error != NULL) {
        *error = job->error;
    }
    for (uint32_t i = 0; i < job->blob_count && status == ETW_OK; i++) {
        const kept_blob *blob = &job->blobs[i];
        status = put(context, (etw_bytes){blob->data, blob->size}, blob->processes, error);
    }
    return status;
}

void etw_rundown_job_free(etw_rundown_job *job)
{
    if (job == NULL) {
        return;
    }
    (void)etw_rundown_job_is_done(job, true);
    for (uint32_t i = 0; i < job->blob_count; i++) {
        free(job->blobs[i].data);
    }
    etw_buffer_free(&job->events);
    free(job);
}
