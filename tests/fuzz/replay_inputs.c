/* A fuzz target without the fuzzer: hands it the files named on the command line, and an empty
 * input. For compilers without libFuzzer, and to look at one input with a debugger. */
#include "tests/fuzz/fuzz.h"

#define MAX_INPUT ((size_t)64 << 20)

/* Mutators of targets call it; nothing is mutated here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)data;
    return size < max_size ? size : max_size;
}

static bool replay(const char *path, uint8_t *buffer)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    const size_t size = fread(buffer, 1, MAX_INPUT, file);
    const bool good = ferror(file) == 0 && fgetc(file) == EOF;
    (void)fclose(file);
    if (!good) {
        (void)fprintf(stderr, "%s: cannot be read, or is larger than 64 MiB\n", path);
        return false;
    }
    (void)LLVMFuzzerTestOneInput(buffer, size);
    return true;
}

int main(int argc, char **argv)
{
    uint8_t *buffer = calloc(1, MAX_INPUT);
    bool good = buffer != NULL;
    if (good) {
        (void)LLVMFuzzerTestOneInput(buffer, 0);
    }
    for (int i = 1; i < argc && good; i++) {
        (void)fprintf(stderr, "%s\n", argv[i]); /* tells which one it was, should it crash */
        good = replay(argv[i], buffer);
    }
    free(buffer);
    return good ? 0 : 1;
}
