#include "format/output/unique_names.h"

/* Of a name that was given. */
typedef struct given {
    uint32_t next; /* the number to try next behind it */
} given;

void etw_unique_names_free(etw_unique_names *names)
{
    etw_table_free(&names->table);
    etw_arena_free(&names->memory);
    etw_text_free(&names->key);
    *names = (etw_unique_names){0};
}

static given *find(etw_unique_names *n, uint32_t group, const etw_text *name)
{
    etw_text_clear(&n->key);
    etw_text_append(&n->key, (const char *)&group, sizeof group);
    for (size_t i = 0; i < name->size; i++) {
        const char c = name->data[i];
        etw_text_append_char(&n->key, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
    return n->key.failed ? NULL : etw_table_get(&n->table, n->key.data, n->key.size);
}

/* What was looked for last. False: no memory. */
static bool give(etw_unique_names *n)
{
    given *made = etw_arena_alloc(&n->memory, sizeof *made);
    const char *key = n->key.failed ? NULL : etw_arena_copy(&n->memory, n->key.data, n->key.size);
    if (made == NULL || key == NULL) {
        return false;
    }
    made->next = 2;
    return etw_table_set(&n->table, key, n->key.size, made);
}

void etw_name_cut(etw_text *name, size_t most_bytes)
{
    if (name->size > most_bytes) {
        name->size = most_bytes;
        while (name->size > 0 && ((uint8_t)name->data[name->size] & 0xC0u) == 0x80u) {
            name->size--;
        }
    }
}

void etw_unique_name(etw_unique_names *names, uint32_t group, const char *before, etw_text *name)
{
    given *first = find(names, group, name);
    const size_t size = name->size;
    for (const given *other = first; other != NULL && !name->failed;
         other = find(names, group, name)) {
        name->size = size;
        etw_text_printf(name, "%s%u", before, first->next++);
    }
    name->failed = name->failed || !give(names);
}
