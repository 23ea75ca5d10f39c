#include "replay/output/output.h"

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
