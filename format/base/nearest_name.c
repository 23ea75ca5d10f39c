#include "format/base/options.h"

#define MAX_NAME 40u

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, remove, replace or swap with their neighbour (optimal string alignment) until
 * a is b; both are at most MAX_NAME long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][MAX_NAME + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    const size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++) {
        above[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            const size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + changed);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
        size_t *next = before;
        before = above;
        above = row;
        row = next;
    }
    return above[width];
}

const char *etw_nearest_name(const char *word, size_t count,
                             const char *(*name_at)(const void *context, size_t index),
                             const void *context)
{
    const char *nearest = NULL;
    const size_t size = strlen(word);
    size_t best = size < 3 ? 1 : size / 3 + 1;
    if (size < 2 || size > MAX_NAME) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(context, i);
        if (name == NULL || strlen(name) > MAX_NAME) {
            continue;
        }
        const size_t distance = edit_distance(word, name);
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    return nearest;
}
