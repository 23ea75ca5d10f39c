/* The operating system, as narrow as this project needs it: files, clocks. Tests replace the table
 * to inject a full disk, a torn write, a failing read. Threads are pthreads (winpthreads on
 * Windows).
 *
 * Paths are UTF-8 everywhere; the Windows side converts. Interrupted calls (EINTR) are tried again
 * and short reads and writes completed above this table, in os.c, so that a table may give short
 * counts. os_posix.c and os_windows.c hold the real table, process_posix.c and process_windows.c
 * what is not of files and clocks; nothing else in format calls the system.
 */
#ifndef ETW_FORMAT_BASE_OS_H
#define ETW_FORMAT_BASE_OS_H

#include "format/base/bytes.h"
#include "format/base/status.h"

typedef struct etw_os etw_os;

typedef enum etw_open_mode {
    ETW_OPEN_READ,   /* shared: others may write the file while it is read */
    ETW_OPEN_CREATE, /* to write; fails with EEXIST where the name exists, unless that is a pipe, a
                        character device or an open file of this process (/dev/fd/3), which writing
                        replaces nothing of; private to the user */
    ETW_OPEN_REPLACE /* as CREATE, but an existing regular file is truncated; links not followed. A
                        pipe that has a name is waited for until somebody reads it */
} etw_open_mode;

/* What a name stands for. */
typedef enum etw_path_kind {
    ETW_PATH_NOTHING,
    ETW_PATH_FILE,  /* a regular file */
    ETW_PATH_OTHER, /* a link, a device, a pipe */
    ETW_PATH_FOLDER
} etw_path_kind;

typedef struct etw_file_identity {
    uint64_t volume, file;
} etw_file_identity;

/* What changes where a file's content does. */
typedef struct etw_file_state {
    etw_file_identity identity;
    uint64_t size_bytes;
    int64_t modified_100ns; /* FILETIME */
    int64_t changed_100ns;  /* of its name, rights, times, too; 0 where the system does not tell */
} etw_file_state;

/* Each call returns a value >= 0, or the negated errno. A file is a small non-negative integer. */
struct etw_os {
    void *context; /* handed to each call */
    int (*open)(void *context, const char *path, etw_open_mode mode);
    /* An empty file without a name, to read at any place and to write at its end, gone when closed
     * or when the process ends. */
    int (*open_temporary)(void *context);
    int64_t (*read)(void *context, int file, void *into, size_t size);
    int64_t (*read_at)(void *context, int file, void *into, size_t size, uint64_t offset);
    int64_t (*write)(void *context, int file, const void *from, size_t size);
    int (*sync)(void *context, int file);
    int64_t (*size)(void *context, int file); /* -ESPIPE for pipes and terminals */
    int (*close)(void *context, int file);
    /* What tells the open file from all others of this system, whatever its name. May be NULL: then
     * nobody knows. */
    int (*identity)(void *context, int file, etw_file_identity *identity);
    /* Replaces to, but only where that is a regular file, and in one step: another process finds
     * the old file or the new one. The new name is on disk when it returns. */
    int (*rename)(void *context, const char *from, const char *to);
    int (*remove)(void *context, const char *path); /* a regular file or a link, nothing else */
    /* One that is private to the user; -EEXIST where the name is taken. May be NULL: then there are
     * no folders. */
    int (*make_folder)(void *context, const char *path);
    int (*kind)(void *context, const char *path); /* an etw_path_kind; links are not followed */
    /* Without opening it for reading. May be NULL: then nobody knows. */
    int (*state)(void *context, const char *path, etw_file_state *state);
    /* Bytes that this user may still write where path is, which need not exist itself. */
    int64_t (*free_space)(void *context, const char *path);
    int64_t (*filetime_now)(void *context); /* 100 ns since 1601, UTC */
    int64_t (*monotonic_ns)(void *context);
    /* Calls take with each name in the folder, in no order, "." and ".." included; 0, or the
     * negated errno: -ENOTDIR where path is a file. May be NULL: then nothing is a folder. */
    int (*list)(void *context, const char *path, void (*take)(void *into, const char *name),
                void *into);
};

/* The real one. */
ETW_API const etw_os *etw_os_default(void);

/* What local time was ahead of UTC at that second (since 1601), as the system is set. */
ETW_API int32_t etw_os_utc_offset_minutes(int64_t second);
/* Characters in a line of the terminal behind a file; 0: it is none. */
ETW_API uint32_t etw_os_terminal_width(int file);
/* Whether the terminal behind a file shows colours by escape sequences; on Windows it is made so.
 */
ETW_API bool etw_os_terminal_colors(int file);

/* Whether two names lead to one real file, links followed: what is written to one would destroy the
 * other. Names that lead nowhere are not the same. Hard links and junctions are seen through. */
ETW_API bool etw_os_is_same_file(const char *path, const char *other);

/* Whether an open file is the one that had this identity; also where the system cannot tell. */
ETW_API bool etw_os_is_still(const etw_os *os, int file, const etw_file_identity *identity);

/* What "-" stands for. Tools call etw_os_use_binary_stdio once at their start: Windows would
 * otherwise translate line ends, and stderr byte by byte. */
#define ETW_FILE_STDIN  0
#define ETW_FILE_STDOUT 1
ETW_API void etw_os_use_binary_stdio(void);
/* From now on stderr is appended to this file, which is made where there is none, readable by its
 * owner alone. 0, or a negative errno. */
ETW_API int etw_os_append_stderr_to(const char *path);
/* What is printed on a console is UTF-8: Windows has other code pages by default, and gets its own
 * back when the process ends. */
ETW_API void etw_os_use_utf8_console(void);
/* Of a write to stdout that failed so (an errno): nobody reads it any more. */
ETW_API bool etw_os_is_reader_gone(int32_t os_code);

/* An environment variable as UTF-8, to be freed; NULL where it is not set, or empty. */
ETW_API char *etw_os_environment(const char *name);
/* Between the paths of a list in an environment variable: ":", on Windows ";". */
extern const char etw_os_path_separator;
/* Where the user's own files of this name lie ("etwcap/schemas"), to be freed; NULL where there is
 * no such place: in $XDG_DATA_HOME, ~/.local/share, %LOCALAPPDATA%. */
ETW_API char *etw_os_data_path(const char *name);
/* The same for what can be made again: in $XDG_CACHE_HOME, ~/.cache, %LOCALAPPDATA%. */
ETW_API char *etw_os_cache_path(const char *name);

/* The program's arguments as UTF-8: argv itself, or on Windows, where argv is in the ANSI code
 * page, a copy made from the wide command line that lives until the process ends. *argc is set to
 * their number. NULL where memory is out. */
ETW_API char **etw_os_utf8_arguments(int *argc, char **argv);

/* Behind a file's name until all of it is there: what is half written must not look whole. */
#define ETW_PART_SUFFIX ".part"

/* Memory for arrays of megabytes, not cleared, to be freed with free; NULL where there is none.
 * What is not touched costs nothing. etw_os_expect_use says that all of such memory will be
 * touched, so that the system may give it in large pieces: a page fault for each 4 KiB costs more
 * than what is done with them. */
ETW_API void *etw_os_alloc_large(size_t size_bytes);
ETW_API void etw_os_expect_use(void *memory, size_t size_bytes);

/* This host's name; "localhost" where it has none. */
#define ETW_OS_HOST_NAME_SIZE 256u
ETW_API void etw_os_host_name(char name[ETW_OS_HOST_NAME_SIZE]);

/* Processors that this process may run on, as its affinity says; at least 1. What a container may
 * use of their time is not looked at. */
ETW_API uint32_t etw_os_processors(void);

/* Threads beside the calling one that pay for work that can be shared, where the user did not say:
 * all processors are used, and no more than 4, whose threads the memory stated by the tools is
 * for. */
#define ETW_OS_MOST_PROCESSORS 4u
ETW_API uint32_t etw_os_spare_processors(void);

/* A number that nobody can guess, for the seeds of tables; never for what is stored. */
ETW_API uint64_t etw_os_random(void);

/* Memory to be filled. */
typedef struct etw_room {
    void *data;
    size_t size;
} etw_room;

/* Reads until size bytes are there or the file ends; *got tells how many. */
ETW_API_CHECKED etw_status etw_os_read_full(const etw_os *os, int file, void *into, size_t size,
                                            size_t *got, etw_error *error);
ETW_API_CHECKED etw_status etw_os_read_at_full(const etw_os *os, int file, etw_room into,
                                               uint64_t offset, size_t *got, etw_error *error);
/* Writes all of it or fails; *written (may be NULL) tells how much went out before a failure. */
ETW_API_CHECKED etw_status etw_os_write_full(const etw_os *os, int file, const void *from,
                                             size_t size, size_t *written, etw_error *error);

#endif
