/* Reading a folded file (fold.h): the file of blocks that it stands for is made in memory, with all
 * that a writer adds at the end, and read from there. */
#ifndef ETW_FORMAT_ETWCAP_UNFOLD_H
#define ETW_FORMAT_ETWCAP_UNFOLD_H

#include "format/etwcap/scan.h"

typedef struct etw_unfolded {
    etw_buffer image; /* a file of format 1.0 */
    uint64_t bytes;   /* of the folded file */
    etw_error damage; /* status: what is wrong with it; the image then has a loss instead */
} etw_unfolded;

/* Reads a file whose head says ETW_FORMAT_FOLDED, to its end; input gives the image from then on.
 * Damage is no failure: see above. unfolded is zeroed before, and must outlive the input. */
etw_status etw_unfold(etw_input *input, etw_unfolded *unfolded, etw_error *error);
void etw_unfolded_free(etw_unfolded *unfolded);

#endif
