/* Which of several definitions of one event fits: of different builds, from different files.
 *
 * In this order:
 * - one whose file is of the trace's own build, once it consumed a payload to its last byte;
 * - one that consumes this payload to its last byte;
 * - one of the trace's own build;
 * - the one that fitted most often so far;
 * - the first in the order of sources.
 * So one source more never explains an event worse, however many events there are. */
#ifndef ETW_FORMAT_SCHEMA_SCHEMA_CHOICE_H
#define ETW_FORMAT_SCHEMA_SCHEMA_CHOICE_H

#include "format/schema/resolver.h"

/* After so many events of a kind the one that fitted most often is asked first, and others only
 * where it does not fit; the trace's own build is then no longer in question. */
#define ETW_SCHEMA_TRIALS 64u
/* Kinds of events that are remembered; with more, all are tried anew. */
#define ETW_SCHEMA_MAX_CHOICES 0x10000u

/* Equal definitions count once; of the trace's own build if one of them is. */
void etw_candidates_add(etw_candidates *to, const etw_candidate *candidate);

/* What was chosen so far. */
typedef struct etw_schema_choices etw_schema_choices;

/* NULL where memory is out. */
etw_schema_choices *etw_schema_choices_new(void);
void etw_schema_choices_free(etw_schema_choices *choices);

/* What is known of the kind of the record; NULL: nothing yet, and candidates are to be gathered. */
typedef struct etw_schema_trial etw_schema_trial;
etw_schema_trial *etw_schema_choices_get(etw_schema_choices *choices,
                                         const etw_event_record *record, uint32_t pointer_size,
                                         uint32_t build);
/* Candidates are copied. NULL where memory is out. build: the trace's. */
etw_schema_trial *etw_schema_choices_put(etw_schema_choices *choices,
                                         const etw_event_record *record, uint32_t pointer_size,
                                         uint32_t build, const etw_candidates *candidates);

/* The candidate for this record, of at least one. *is_final: it will be the same for all records of
 * the kind. */
const etw_schema *etw_schema_choose(etw_schema_choices *choices, etw_schema_trial *trial,
                                    const etw_event_record *record, bool *is_final);

/* The candidates among which schema was chosen, and its place among them; NULL where it was not
 * chosen here. */
const etw_candidates *etw_schema_choices_of(const etw_schema_choices *choices,
                                            const etw_schema *schema, uint32_t *place);

#endif
