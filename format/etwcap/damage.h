/* What broken places of a file lose, told as losses. */
#ifndef ETW_FORMAT_ETWCAP_DAMAGE_H
#define ETW_FORMAT_ETWCAP_DAMAGE_H

#include "format/etwcap/scan.h"

/* Of a block that cannot be used: what that loses, its header tells. status and why are
 * of what failed: where that is a limit of the reader, the block is no damaged one, and the cause
 * is ETW_LOSS_LIMIT. */
void etw_damage_of_block(const etw_scan_item *block, etw_status status, const char *why,
                         etw_loss *loss);

/* Of a place without a block. How many events its missing blocks had, only an index may tell. */
void etw_damage_of_gap(const etw_scan_item *gap, etw_loss *loss);

/* Of a file without end block, once its scan has ended. */
void etw_damage_of_end(const etw_scan *scan, etw_loss *loss);

#endif
