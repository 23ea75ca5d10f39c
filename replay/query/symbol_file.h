/* One file of symbols, in text: what the functions of an image are called. Two kinds are read:
 *
 *  - Breakpad's .sym (the document "symbol_files" of Breakpad): MODULE with the PDB's GUID and age,
 *    FUNC and PUBLIC; other records are passed over. dump_syms makes them.
 *  - .map of Microsoft's linker: the lists of publics and of static symbols; the first tells the
 * time stamp of the image. */
#ifndef ETW_REPLAY_QUERY_SYMBOL_FILE_H
#define ETW_REPLAY_QUERY_SYMBOL_FILE_H

#include "format/base/guid.h"
#include "format/base/os.h"
#include "format/base/text.h"

/* A function; addresses count from the image's start. */
typedef struct etw_symbol {
    uint32_t start;
    uint32_t size; /* 0: unknown, it reaches to the next one */
    uint32_t name; /* where it is in the file's names */
} etw_symbol;

typedef struct etw_symbol_file {
    char *path; /* owned */
    bool is_map;
    /* Of the first lines. */
    char *
        module; /* owned: the name of MODULE, of a .map its first line; without folder and ending */
    bool has_id;
    etw_guid id;
    uint32_t age;
    uint32_t time_date_stamp; /* 0: unknown */
    /* Once it was loaded, by start. */
    bool is_loaded;
    etw_symbol *symbols;
    uint32_t count, capacity;
    etw_text names;
} etw_symbol_file;

/* Reads what the file is of; path is copied. ETW_ERROR_DAMAGED: it is no such file. The file is to
 * be freed in any case. */
etw_status etw_symbol_file_open(const etw_os *os, const char *path, bool is_map,
                                etw_symbol_file *file, etw_error *error);
/* Reads its symbols, of at most most_bytes; once, whatever comes of it. After a failure there are
 * none. */
etw_status etw_symbol_file_load(const etw_os *os, etw_symbol_file *file, size_t most_bytes,
                                etw_error *error);
/* The bytes that the symbols take. */
size_t etw_symbol_file_bytes(const etw_symbol_file *file);
void etw_symbol_file_free(etw_symbol_file *file);

/* The function that holds the address, or that is the nearest before it where sizes are not known;
 * NULL: there is none. */
const char *etw_symbol_file_find(const etw_symbol_file *file, uint64_t address, uint64_t *offset);

/* The last part of a path without its ending: its size, and where it begins. */
size_t etw_path_stem(const char *path, const char **stem);

#endif
