#include "replay/command/screen.h"

/* more.com neither scrolls back nor to the side: the console itself does both. */
bool etw_pager_start(int64_t *pager)
{
    *pager = 0;
    return false;
}

void etw_pager_wait(int64_t pager)
{
    (void)pager;
}
