#include "replay/output/output.h"

#include <stdlib.h>

static const etw_output_format *const formats[] = {
    &etw_output_json, &etw_output_text, &etw_output_xml, &etw_output_csv, &etw_output_pcapng,
};

const etw_output_format *etw_output_at(size_t index)
{
    return index < sizeof formats / sizeof formats[0] ? formats[index] : NULL;
}

const etw_output_format *etw_output_find(const char *name)
{
    for (size_t index = 0; etw_output_at(index) != NULL; index++) {
        if (strcmp(etw_output_at(index)->name, name) == 0) {
            return etw_output_at(index);
        }
    }
    return NULL;
}

etw_output *etw_output_new(size_t size, const etw_output_options *options)
{
    etw_output *output = calloc(1, size);
    if (output != NULL) {
        output->options = *options;
    }
    return output;
}

void etw_output_free(etw_output *output)
{
    free(output);
}
