#include "format/event/calendar.h"

/* Eras of 400 years that begin on the first of March, so that a leap day is the last of its year:
 * Howard Hinnant's published civil-calendar algorithm. */

#define DAYS_PER_ERA 146097LL
/* From 0000-03-01 to 1601-01-01. */
#define EPOCH_DAYS 584694LL

etw_date etw_date_of_days(int64_t days_since_1601)
{
    const int64_t days = days_since_1601 + EPOCH_DAYS;
    const int64_t era = days / DAYS_PER_ERA;
    const unsigned day_of_era = (unsigned)(days % DAYS_PER_ERA);
    const unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned from_march = (5 * day_of_year + 2) / 153;
    const unsigned month = from_march < 10 ? from_march + 3 : from_march - 9;
    const etw_date date = {(int64_t)year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
                           day_of_year - (153 * from_march + 2) / 5 + 1};
    return date;
}

int64_t etw_days_of_date(const etw_date *date)
{
    const int64_t year = date->year - (date->month <= 2 ? 1 : 0);
    const int64_t era = year / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t from_march = date->month > 2 ? date->month - 3 : date->month + 9;
    const int64_t day_of_year = (153 * from_march + 2) / 5 + date->day - 1;
    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - EPOCH_DAYS;
}
