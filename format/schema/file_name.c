#include "format/schema/file_name.h"

#include <errno.h>
#include <string.h>

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

bool etw_file_name_is(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

bool etw_file_name_matches(const char *a, const char *b, size_t size)
{
    size_t at = 0;
    while (at < size && lower(a[at]) == lower(b[at])) {
        at++;
    }
    return at == size;
}

bool etw_schema_file_ends_with(const char *path, const char *ending)
{
    const size_t size = strlen(path);
    const size_t ending_size = strlen(ending);
    return size > ending_size && etw_file_name_is(path + size - ending_size, ending);
}

/* Finds a name in a folder without regard to case. */
typedef struct name_search {
    const char *wanted;
    etw_text found;
} name_search;

static void compare_name(void *into, const char *name)
{
    name_search *search = into;
    if (search->found.size == 0 && etw_file_name_is(name, search->wanted)) {
        etw_text_append_z(&search->found, name);
    }
}

bool etw_file_name_enter(const etw_os *os, etw_text *path, const char *name)
{
    name_search search = {.wanted = name};
    const int listed = os->list == NULL
                           ? -ENOTDIR
                           : os->list(os->context, path->size == 0 ? "/" : etw_text_z(path),
                                      compare_name, &search);
    const bool found = listed >= 0 && search.found.size > 0;
    if (found) {
        etw_text_append_char(path, '/');
        etw_text_append(path, search.found.data, search.found.size);
    }
    etw_text_free(&search.found);
    return found;
}

const char *etw_file_name_split(const char *path, etw_text *folder)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/' || *at == '\\') {
            name = at + 1;
        }
    }
    if (name == path) {
        etw_text_append_z(folder, ".");
    } else {
        etw_text_append(folder, path, (size_t)(name - 1 - path));
    }
    return name;
}

bool etw_file_name_find_mui(const etw_os *os, const char *path, const char *language, etw_text *mui)
{
    etw_text name = {0};
    etw_text_append_z(&name, etw_file_name_split(path, mui));
    etw_text_append_z(&name, ".mui");
    const bool found =
        etw_file_name_enter(os, mui, language) && etw_file_name_enter(os, mui, etw_text_z(&name));
    etw_text_free(&name);
    return found;
}
