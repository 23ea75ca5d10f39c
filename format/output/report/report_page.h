/* The page of a report, before and behind its data, which are JSON without < and &. */
#ifndef ETW_FORMAT_OUTPUT_REPORT_PAGE_H
#define ETW_FORMAT_OUTPUT_REPORT_PAGE_H

extern const char etw_report_page_head[], etw_report_page_tail[];

#endif
