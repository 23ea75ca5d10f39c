#include "format/event/unexplained.h"

#include "format/base/arena.h"
#include "format/base/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Beside those of rows: events of providers beyond the limit. */
struct etw_unexplained {
    uint32_t count;
    uint64_t events;
    etw_unexplained_row *latest; /* events of one provider often follow each other */
    etw_arena keys;
    etw_table places; /* row_key -> etw_unexplained_row, until they are sorted */
    etw_unexplained_row rows[ETW_UNEXPLAINED_MAX_PROVIDERS]; /* set as they are taken */
};

typedef struct row_key {
    etw_guid guid;
    uint32_t form;
} row_key;

etw_unexplained *etw_unexplained_new(void)
{
    etw_unexplained *made = malloc(sizeof *made);
    if (made != NULL) {
        memset(made, 0, offsetof(etw_unexplained, rows));
    }
    return made;
}

static void forget_places(etw_unexplained *self)
{
    etw_table_free(&self->places);
    etw_arena_free(&self->keys);
    self->latest = NULL;
}

void etw_unexplained_free(etw_unexplained *unexplained)
{
    if (unexplained != NULL) {
        forget_places(unexplained);
        free(unexplained);
    }
}

/* A row that cannot be found again for lack of memory is counted all the same. */
static void place(etw_unexplained *self, etw_unexplained_row *row)
{
    row_key *key = etw_arena_alloc(&self->keys, sizeof *key);
    if (key != NULL) {
        *key = (row_key){row->guid, row->form};
        (void)etw_table_set(&self->places, key, sizeof *key, row);
    }
}

static etw_unexplained_row *row_of(etw_unexplained *self, const etw_schema_key *of)
{
    const row_key key = {of->guid, of->form};
    if (self->places.probe.used == 0) { /* after a sort */
        for (uint32_t i = 0; i < self->count; i++) {
            place(self, &self->rows[i]);
        }
    }
    etw_unexplained_row *row = etw_table_get(&self->places, &key, sizeof key);
    if (row == NULL && self->count < ETW_UNEXPLAINED_MAX_PROVIDERS) {
        row = &self->rows[self->count++];
        *row = (etw_unexplained_row){.guid = of->guid, .form = of->form};
        place(self, row);
    }
    return row;
}

static bool is_of(const etw_unexplained_row *row, const etw_schema_key *key)
{
    return row != NULL && row->form == key->form && etw_guid_equal(&row->guid, &key->guid);
}

void etw_unexplained_note(etw_unexplained *unexplained, const etw_event_record *record)
{
    etw_unexplained_add(unexplained, record, 1);
}

void etw_unexplained_add(etw_unexplained *unexplained, const etw_event_record *record,
                         uint64_t events)
{
    if (!etw_record_needs_schema(record)) {
        return;
    }
    const etw_schema_key key = etw_schema_key_of_record(record);
    if (!is_of(unexplained->latest, &key)) {
        unexplained->latest = row_of(unexplained, &key);
    }
    unexplained->events += events;
    if (unexplained->latest != NULL) {
        unexplained->latest->events += events;
    }
}

uint64_t etw_unexplained_events(const etw_unexplained *unexplained)
{
    return unexplained->events;
}

static int compare_rows(const void *left, const void *right)
{
    const etw_unexplained_row *a = left;
    const etw_unexplained_row *b = right;
    if (a->events != b->events) {
        return a->events > b->events ? -1 : 1;
    }
    const int guid = memcmp(&a->guid, &b->guid, sizeof a->guid);
    return guid != 0 ? guid : (int)a->form - (int)b->form;
}

const etw_unexplained_row *etw_unexplained_rows(etw_unexplained *unexplained, uint32_t *count)
{
    forget_places(unexplained);
    qsort(unexplained->rows, unexplained->count, sizeof *unexplained->rows, compare_rows);
    *count = unexplained->count;
    return unexplained->rows;
}

void etw_unexplained_append_line(etw_text *text, const etw_unexplained_row *row, const char *name)
{
    const bool is_one = row->events == 1;
    etw_text_append_count(text, row->events);
    etw_text_append_z(text, is_one ? " event of " : " events of ");
    if (name != NULL) {
        etw_text_append_utf8(text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_LINE);
    } else {
        etw_text_append_guid(text, &row->guid);
    }
    etw_text_append_z(text, is_one ? " has no schema" : " have no schema");
}
