#include "format/input/file_kind.h"

#include "format/etl/trace_buffer.h"
#include "format/etwcap/block.h"

#ifdef ETW_HAVE_ZLIB
#define ZLIB(function) function
#else
#define ZLIB(function) NULL
#endif
#ifdef ETW_HAVE_LIBARCHIVE
#define LIBARCHIVE(function) function
#else
#define LIBARCHIVE(function) NULL
#endif

#define BEGIN(text)      text, sizeof(text) - 1, 0
#define AT(offset, text) text, sizeof(text) - 1, offset
#define WRAPPING(name, begin, how)                                                                 \
    {                                                                                              \
        ETW_FILE_WRAPPING, name, begin, how, NULL, NULL                                            \
    }
#define ARCHIVE(name, begin, how)                                                                  \
    {                                                                                              \
        ETW_FILE_ARCHIVE, name, begin, NULL, how, NULL                                             \
    }
#define OTHER(name, begin, advice)                                                                 \
    {                                                                                              \
        ETW_FILE_OTHER, name, begin, NULL, NULL, advice                                            \
    }

/* Sources: the formats' specifications, and file(1)'s table of magic numbers. The first row that
 * fits counts. */
static const etw_file_kind kinds[] = {
    WRAPPING("a gzip file", BEGIN("\x1F\x8B\x08"), ZLIB(etw_unwrap_gzip)),
    WRAPPING("a zstd file", BEGIN("\x28\xB5\x2F\xFD"), etw_unwrap_zstd),
    WRAPPING("an xz file", BEGIN("\xFD\x37zXZ\0"), LIBARCHIVE(etw_unwrap_xz)),
    WRAPPING("a bzip2 file", BEGIN("BZh"), LIBARCHIVE(etw_unwrap_bzip2)),
    WRAPPING("an lz4 file", BEGIN("\x04\x22\x4D\x18"), LIBARCHIVE(etw_unwrap_lz4)),
    WRAPPING("an lzip file", BEGIN("LZIP\1"), LIBARCHIVE(etw_unwrap_lzip)),
    WRAPPING("an lzop file", BEGIN("\x89LZO\0\r\n\x1A\n"), NULL),
    WRAPPING("a file of compress (.Z)", BEGIN("\x1F\x9D"), NULL),
    ARCHIVE("a zip archive", BEGIN("PK\3\4"), ZLIB(etw_archive_zip)),
    ARCHIVE("a zip archive", BEGIN("PK\5\6"), ZLIB(etw_archive_zip)),
    ARCHIVE("a cab archive", BEGIN("MSCF\0\0\0\0"), LIBARCHIVE(etw_archive_cab)),
    ARCHIVE("a 7z archive", BEGIN("7z\xBC\xAF\x27\x1C"), LIBARCHIVE(etw_archive_7z)),
    ARCHIVE("a tar archive", AT(257, "ustar"), LIBARCHIVE(etw_archive_tar)),
    ARCHIVE("a RAR archive", BEGIN("Rar!\x1A\7"), NULL),
    ARCHIVE("a Windows image (.wim)", BEGIN("MSWIM\0\0\0"), NULL),
    OTHER("an .evtx event log", BEGIN("ElfFile\0"), "Event Viewer and wevtutil read it"),
    OTHER("an .evt event log", AT(4, "LfLe"), "Event Viewer reads it"),
    OTHER("a pcapng capture", BEGIN("\x0A\x0D\x0D\x0A"), "Wireshark reads it"),
    OTHER("a pcap capture", BEGIN("\xD4\xC3\xB2\xA1"), "Wireshark reads it"),
    OTHER("a pcap capture", BEGIN("\xA1\xB2\xC3\xD4"), "Wireshark reads it"),
    OTHER("a pcap capture", BEGIN("\x4D\x3C\xB2\xA1"), "Wireshark reads it"),
    OTHER("a pcap capture", BEGIN("\xA1\xB2\x3C\x4D"), "Wireshark reads it"),
    OTHER("a Network Monitor capture", BEGIN("GMBU"), "Wireshark reads it"),
    OTHER("a .NET EventPipe trace (.nettrace)", BEGIN("Nettrace"), "PerfView reads it"),
    OTHER("a PerfView .etlx file", AT(4, "!FastSerialization.1"),
          "use the .etl file that it was made from"),
    OTHER("a Linux perf recording", BEGIN("PERFILE2"), "perf reads it"),
    OTHER("an SQLite database", BEGIN("SQLite format 3\0"), "sqlite3 reads it"),
    OTHER("a Parquet file", BEGIN("PAR1"), "DuckDB and pandas read it"),
    OTHER("a program database (.pdb)", BEGIN("Microsoft C/C++ MSF 7.00\r\n"),
          "it may hold schemas of WPP messages, but no events"),
    OTHER("a Windows program or library", BEGIN("MZ"), "it may hold schemas, but no events"),
    OTHER("an ELF program or library", BEGIN("\x7F\x45LF"), "use the trace itself"),
    OTHER("a crash dump", BEGIN("MDMP"), "a debugger reads it"),
    OTHER("a crash dump of Windows", BEGIN("PAGEDU"),
          "the debugger's !wmitrace.logsave takes the traces out of it"),
    OTHER("a registry hive", BEGIN("regf"), "use the trace itself"),
    OTHER("an OLE compound file", BEGIN("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
          "use the trace itself"),
    OTHER("a Git LFS pointer", BEGIN("version https://git-lfs"), "git lfs pull fetches the file"),
    OTHER("an HTML page", BEGIN("<!DOCTYPE html"), "the download may have failed"),
    OTHER("an HTML page", BEGIN("<!doctype html"), "the download may have failed"),
    OTHER("an HTML page", BEGIN("<html"), "the download may have failed"),
    OTHER("an instrumentation manifest", BEGIN("<instrumentationManifest"),
          "it holds schemas, but no events"),
    OTHER("an XML document", BEGIN("<?xml"),
          "a manifest holds schemas, but no events; rendered events cannot be turned back"),
    OTHER("an XML document", BEGIN("\xEF\xBB\xBF<"),
          "a manifest holds schemas, but no events; rendered events cannot be turned back"),
    OTHER("an XML document", BEGIN("\xFF\xFE<\0"),
          "a manifest holds schemas, but no events; rendered events cannot be turned back"),
    OTHER("JSON text", BEGIN("{\""), "use the trace that it was made from"),
};

bool etw_file_is_trace(etw_bytes head)
{
    if (head.size >= ETW_BUFFER_HEADER_SIZE) {
        const etw_buffer_header first = etw_buffer_header_read(head.data);
        if (etw_buffer_header_problem(&first) == NULL) {
            return true;
        }
    }
    uint32_t major, minor;
    return etw_head_load(head, &major, &minor, NULL) != ETW_ERROR_NOT_THIS;
}

static bool fits(const etw_file_kind *kind, etw_bytes head)
{
    return head.size >= kind->offset + kind->begin_size &&
           memcmp(head.data + kind->offset, kind->begin, kind->begin_size) == 0;
}

const etw_file_kind *etw_file_kind_find(etw_bytes head)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (fits(&kinds[i], head)) {
            return etw_file_is_trace(head) ? NULL : &kinds[i];
        }
    }
    return NULL;
}
