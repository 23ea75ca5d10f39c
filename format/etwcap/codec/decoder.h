/* The events of one block, decoded: what etw_reader_options.exchange hands over. */
#ifndef ETW_FORMAT_ETWCAP_CODEC_DECODER_H
#define ETW_FORMAT_ETWCAP_CODEC_DECODER_H

#include "format/base/api.h"

typedef struct etw_decoder etw_decoder;

/* NULL where memory is out. */
ETW_API etw_decoder *etw_decoder_new(void);
/* NULL is fine. */
ETW_API void etw_decoder_free(etw_decoder *decoder);

#endif
