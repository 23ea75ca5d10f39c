/* The layout that the columns of a kind begin with. */
#ifndef ETW_FORMAT_ETWCAP_LAYOUT_READ_H
#define ETW_FORMAT_ETWCAP_LAYOUT_READ_H

#include "format/base/bytes.h"
#include "format/etwcap/codec/layout.h"

/* constants: of ETW_LAYOUT_MAX_PIECES, those of each piece, lent by the cursor; NULL where it has
 * none. False where it is malformed. */
bool etw_layout_read(etw_cursor *cursor, etw_layout *layout, const uint8_t **constants);

#endif
