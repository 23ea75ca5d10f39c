/* Names of native code from folders of symbol files (symbol_file.h): Breakpad's .sym, also as a
 * symbol store lays them out (a.pdb/5A98...FF1/a.sym), and the linker's .map.
 *
 * A .sym is used for an image where the trace tells the image's PDB and its GUID and age are those
 * of MODULE; where the trace tells no PDB, by the image's name. A .map is used by the image's name,
 * and not where both tell a time stamp and these differ.
 *
 * The first lines of all files are read at once, their symbols when an address of their image is
 * asked for; each file once. What cannot be read is noted and passed over. */
#ifndef ETW_REPLAY_QUERY_SYMBOLS_H
#define ETW_REPLAY_QUERY_SYMBOLS_H

#include "format/base/os.h"
#include "replay/query/state.h"

#define ETW_SYMBOLS_MAX_FILES ((uint32_t)1 << 14)
/* Folders within folders. */
#define ETW_SYMBOLS_MAX_DEPTH 3u
/* Of the symbols of all files. */
#define ETW_SYMBOLS_MAX_BYTES ((size_t)1 << 30)

typedef struct etw_symbols_options {
    const etw_os *os;         /* NULL: the default */
    const char *const *paths; /* folders, or single files */
    uint32_t path_count;
    /* Called with what is wrong with a file that is passed over; from any thread that asks for
     * names, one at a time. May be NULL. */
    void (*note)(void *context, const char *message);
    void *note_context;
} etw_symbols_options;

typedef struct etw_symbols etw_symbols;

/* paths are read now. ETW_ERROR_NOT_FOUND where one of them does not exist. */
ETW_API_CHECKED etw_status etw_symbols_open(const etw_symbols_options *options,
                                            etw_symbols **symbols, etw_error *error);
/* NULL is fine. */
ETW_API void etw_symbols_free(etw_symbols *symbols);

/* The function that holds an address of the image, and how far that is from its start; NULL:
 * unknown. From any thread; the name lives as long as the symbols. */
ETW_API const char *etw_symbols_find(etw_symbols *symbols, const etw_state_image *image,
                                     uint64_t address, uint64_t *offset);

#endif
