#include "replay/query/symbol_file.h"

#include "format/base/digits.h"
#include "format/base/grown.h"
#include "format/base/line_reader.h"
#include "format/base/names.h"

#include <stdlib.h>

/* Lines in which a file must say what it is. */
#define HEAD_LINES 64u
/* Functions that begin between one and an address within it: those of code that was moved out of it
 * lie elsewhere. */
#define MAX_STEPS_BACK 64u

/* The words of a line. */

typedef struct words {
    const char *at, *end;
} words;

static etw_bytes take_word(words *w)
{
    while (w->at < w->end && *w->at == ' ') {
        w->at++;
    }
    const char *start = w->at;
    while (w->at < w->end && *w->at != ' ') {
        w->at++;
    }
    return (etw_bytes){(const uint8_t *)start, (size_t)(w->at - start)};
}

static etw_bytes take_rest(words *w)
{
    while (w->at < w->end && *w->at == ' ') {
        w->at++;
    }
    return (etw_bytes){(const uint8_t *)w->at, (size_t)(w->end - w->at)};
}

static bool is_word(etw_bytes word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.data, text, word.size) == 0;
}

/* Without 0x, at most 16 digits. */
static bool parse_hex(etw_bytes word, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < word.size; i++) {
        const int digit = etw_hex_digit((char)word.data[i]);
        if (digit < 0) {
            return false;
        }
        *number = *number << 4 | (unsigned)digit;
    }
    return word.size > 0 && word.size <= 16;
}

size_t etw_path_stem(const char *path, const char **stem)
{
    *stem = etw_name_last_part(path);
    const char *dot = strrchr(*stem, '.');
    return dot == NULL || dot == *stem ? strlen(*stem) : (size_t)(dot - *stem);
}

static bool keep_module(etw_symbol_file *file, const char *name)
{
    const char *stem;
    const size_t size = etw_path_stem(name, &stem);
    file->module = etw_name_copy(stem, size);
    return file->module != NULL;
}

/* What the file is of. */

/* 32 digits of the GUID and those of the age, in the order in which GUIDs are written. */
static bool parse_id(etw_bytes word, etw_symbol_file *file)
{
    static const uint8_t places[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t bytes[sizeof file->id];
    uint64_t age;
    if (word.size <= 32 || word.size > 40 ||
        !parse_hex((etw_bytes){word.data + 32, word.size - 32}, &age)) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        uint64_t byte;
        if (!parse_hex((etw_bytes){word.data + 2 * i, 2}, &byte)) {
            return false;
        }
        bytes[places[i]] = (uint8_t)byte;
    }
    file->id = etw_load_guid(bytes);
    file->age = (uint32_t)age;
    file->has_id = true;
    return true;
}

/* MODULE windows x86_64 5A9832E5287241C1838ED98914E9B7FF1 a.pdb */
static etw_status read_module(etw_symbol_file *file, words line, etw_error *error)
{
    const bool is_module = is_word(take_word(&line), "MODULE");
    (void)take_word(&line);
    (void)take_word(&line);
    const etw_bytes id = take_word(&line);
    const etw_bytes name = take_rest(&line);
    if (!is_module || name.size == 0 || !parse_id(id, file)) {
        return etw_error_set(error, ETW_ERROR_DAMAGED,
                             "%s: does not begin with MODULE, a system, a processor, an id of 33 "
                             "digits or more, and a name",
                             file->path);
    }
    char *copy = etw_name_copy((const char *)name.data, name.size);
    const bool is_kept = copy != NULL && keep_module(file, copy);
    free(copy);
    return is_kept ? ETW_OK : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for symbols");
}

/* " Timestamp is 5e0eb6c5 (Fri Jan  3 04:33:09 2020)" */
static void read_time_stamp(etw_symbol_file *file, words line)
{
    uint64_t stamp;
    if (is_word(take_word(&line), "Timestamp") && is_word(take_word(&line), "is") &&
        parse_hex(take_word(&line), &stamp) && stamp <= UINT32_MAX) {
        file->time_date_stamp = (uint32_t)stamp;
    }
}

/* " Preferred load address is 0000000180000000" */
static bool read_preferred(words line, uint64_t *address)
{
    return is_word(take_word(&line), "Preferred") && is_word(take_word(&line), "load") &&
           is_word(take_word(&line), "address") && is_word(take_word(&line), "is") &&
           parse_hex(take_word(&line), address);
}

static etw_status read_map_head(etw_symbol_file *file, etw_line_reader *reader, etw_error *error)
{
    char *line;
    size_t size;
    uint64_t preferred;
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < HEAD_LINES && status == ETW_OK; i++) {
        status = etw_line_reader_next(reader, &line, &size, error);
        const words w = {line, line + size};
        if (status == ETW_OK && read_preferred(w, &preferred)) {
            return keep_module(file, file->path)
                       ? ETW_OK
                       : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for symbols");
        }
        if (status == ETW_OK) {
            read_time_stamp(file, w);
        }
    }
    return etw_failed(status)
               ? status
               : etw_error_set(error, ETW_ERROR_DAMAGED,
                               "%s: no 'Preferred load address' near its start", file->path);
}

static etw_status read_sym_head(etw_symbol_file *file, etw_line_reader *reader, etw_error *error)
{
    char *line = NULL;
    size_t size = 0;
    const etw_status status = etw_line_reader_next(reader, &line, &size, error);
    return etw_failed(status) ? status : read_module(file, (words){line, line + size}, error);
}

etw_status etw_symbol_file_open(const etw_os *os, const char *path, bool is_map,
                                etw_symbol_file *file, etw_error *error)
{
    *file = (etw_symbol_file){.path = strdup(path), .is_map = is_map};
    etw_line_reader reader;
    if (file->path == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for symbols");
    }
    etw_status status = etw_line_reader_open(&reader, os, path, error);
    if (status == ETW_OK) {
        status = is_map ? read_map_head(file, &reader, error) : read_sym_head(file, &reader, error);
        etw_line_reader_close(&reader);
    }
    return status;
}

/* Its symbols. */

size_t etw_symbol_file_bytes(const etw_symbol_file *file)
{
    return file->capacity * sizeof *file->symbols + file->names.size;
}

static etw_status add(etw_symbol_file *file, etw_symbol symbol, etw_bytes name, etw_error *error)
{
    etw_symbol *wider = etw_grown(file->symbols, &file->capacity, file->count, 256, sizeof *wider);
    if (wider == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: no memory for symbols", file->path);
    }
    file->symbols = wider;
    if (file->names.size + name.size + 1 > ETW_TEXT_MAX_SIZE) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "%s: names of more than %zu bytes", file->path,
                             ETW_TEXT_MAX_SIZE);
    }
    symbol.name = (uint32_t)file->names.size;
    etw_text_append(&file->names, (const char *)name.data, name.size);
    etw_text_append(&file->names, "", 1);
    file->symbols[file->count++] = symbol;
    return !file->names.failed
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: no memory for symbols", file->path);
}

/* FUNC [m] address size parameters name; PUBLIC [m] address parameters name. *is_good: it is none
 * of these, or a whole one. */
static etw_status read_record(etw_symbol_file *file, words line, bool *is_good, etw_error *error)
{
    const etw_bytes kind = take_word(&line);
    const bool is_function = is_word(kind, "FUNC");
    uint64_t start, size = 0, parameters;
    *is_good = true;
    if (!is_function && !is_word(kind, "PUBLIC")) {
        return ETW_OK;
    }
    etw_bytes word = take_word(&line);
    word = is_word(word, "m") ? take_word(&line) : word;
    *is_good = parse_hex(word, &start) && (!is_function || parse_hex(take_word(&line), &size)) &&
               parse_hex(take_word(&line), &parameters);
    const etw_bytes name = take_rest(&line);
    if (!*is_good || name.size == 0 || start > UINT32_MAX || size > UINT32_MAX) {
        return ETW_OK;
    }
    return add(file, (etw_symbol){.start = (uint32_t)start, .size = (uint32_t)size}, name, error);
}

/* " 0001:00000010       name       0000000180001010 f   a.obj": the third word is the address. */
static etw_status read_map_line(etw_symbol_file *file, words line, uint64_t preferred,
                                etw_error *error)
{
    const etw_bytes section = take_word(&line);
    const etw_bytes name = take_word(&line);
    uint64_t address;
    const bool is_symbol = section.size > 5 && section.data[4] == ':' && name.size > 0 &&
                           parse_hex(take_word(&line), &address) && address >= preferred &&
                           address - preferred <= UINT32_MAX;
    return is_symbol
               ? add(file, (etw_symbol){.start = (uint32_t)(address - preferred)}, name, error)
               : ETW_OK;
}

static etw_status read_symbols(etw_symbol_file *file, etw_line_reader *reader, size_t most_bytes,
                               etw_error *error)
{
    uint64_t preferred = 0;
    bool has_preferred = false, is_good = true;
    for (;;) {
        char *text;
        size_t size;
        etw_status status = etw_line_reader_next(reader, &text, &size, error);
        if (status != ETW_OK) {
            return status == ETW_END ? ETW_OK : status;
        }
        const words line = {text, text + size};
        if (!file->is_map) {
            status = read_record(file, line, &is_good, error);
        } else if (has_preferred) {
            status = read_map_line(file, line, preferred, error);
        } else {
            has_preferred = read_preferred(line, &preferred);
        }
        if (status != ETW_OK) {
            return status;
        }
        if (!is_good) {
            return etw_error_set(error, ETW_ERROR_DAMAGED,
                                 "%s: line %llu: no address or size where one should be",
                                 file->path, (unsigned long long)reader->number);
        }
        if (etw_symbol_file_bytes(file) > most_bytes) {
            return etw_error_set(error, ETW_ERROR_LIMIT,
                                 "%s: symbols of more than %zu bytes together", file->path,
                                 most_bytes);
        }
    }
}

static int order(const void *left, const void *right)
{
    const etw_symbol *a = left, *b = right;
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    if (a->size != b->size) { /* of one start the one with a size comes last: it is found first */
        return a->size < b->size ? -1 : 1;
    }
    return a->name < b->name ? 1 : -1; /* and of equal ones the first of the file */
}

etw_status etw_symbol_file_load(const etw_os *os, etw_symbol_file *file, size_t most_bytes,
                                etw_error *error)
{
    etw_line_reader reader;
    file->is_loaded = true;
    etw_status status = etw_line_reader_open(&reader, os, file->path, error);
    if (status == ETW_OK) {
        status = read_symbols(file, &reader, most_bytes, error);
        etw_line_reader_close(&reader);
    }
    if (status == ETW_OK && file->count > 0) {
        qsort(file->symbols, file->count, sizeof *file->symbols, order);
    } else if (status != ETW_OK) {
        free(file->symbols);
        file->symbols = NULL;
        file->count = file->capacity = 0;
        etw_text_free(&file->names);
    }
    return status;
}

void etw_symbol_file_free(etw_symbol_file *file)
{
    free(file->path);
    free(file->module);
    free(file->symbols);
    etw_text_free(&file->names);
    *file = (etw_symbol_file){0};
}

const char *etw_symbol_file_find(const etw_symbol_file *file, uint64_t address, uint64_t *offset)
{
    uint32_t low = 0, high = file->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (file->symbols[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const etw_symbol *found =
        low > 0 && file->symbols[low - 1].size == 0 ? &file->symbols[low - 1] : NULL;
    for (uint32_t at = low, steps = 0; at > 0 && steps < MAX_STEPS_BACK; at--, steps++) {
        const etw_symbol *s = &file->symbols[at - 1];
        if (address - s->start < s->size) {
            found = s;
            break;
        }
    }
    if (found == NULL) {
        return NULL;
    }
    *offset = address - found->start;
    return file->names.data + found->name;
}
