/* Earlier rows that are like a row: for each row, the last one before it with the same key.
 *
 * Events about the same thing (a method loaded, then unloaded; a thread started, then ended) repeat
 * its properties. One field of a kind may be its key; other fields are then told from the same
 * place of the earlier row's payload. Encoder and decoder find the same rows by the same rule. */
#ifndef ETW_FORMAT_ETWCAP_REFERENCES_H
#define ETW_FORMAT_ETWCAP_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#define ETW_NO_REFERENCE UINT32_MAX

typedef struct etw_reference_slot {
    uint64_t key;
    uint32_t row;
    uint32_t stamp;
} etw_reference_slot;

typedef struct etw_references {
    etw_reference_slot *slots;
    etw_reference_slot *trial; /* of keys that are only tried */
    uint32_t stamp, trial_stamp;
} etw_references;

bool etw_references_init(etw_references *references);
void etw_references_free(etw_references *references);
/* Forgets all rows: the start of a block. */
void etw_references_clear(etw_references *references);
/* For row first_row + i with keys[i]: found[i] becomes the last row with that key, or
 * ETW_NO_REFERENCE. realm keeps keys of different providers apart. At most ETW_BATCH_MAX_EVENTS
 * rows in all between two calls of clear. */
void etw_references_link(etw_references *references, uint32_t realm, const uint64_t *keys,
                         uint32_t count, uint32_t first_row, uint32_t *found);
/* What link would find, leaving no trace. */
void etw_references_try(etw_references *references, uint32_t realm, const uint64_t *keys,
                        uint32_t count, uint32_t first_row, uint32_t *found);

#endif
