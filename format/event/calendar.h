/* The civil calendar, counted in days from the first day of FILETIME. */
#ifndef ETW_FORMAT_EVENT_CALENDAR_H
#define ETW_FORMAT_EVENT_CALENDAR_H

#include <stdint.h>

typedef struct etw_date {
    int64_t year;
    unsigned month; /* from 1 */
    unsigned day;   /* from 1 */
} etw_date;

/* days_since_1601 >= 0; the proleptic Gregorian calendar, in which Windows counts. */
etw_date etw_date_of_days(int64_t days_since_1601);
/* The other way round; year >= 1601. */
int64_t etw_days_of_date(const etw_date *date);

#endif
