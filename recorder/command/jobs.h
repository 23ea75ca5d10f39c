/* The jobs of etw-record; each returns its exit status and has said what went wrong. */
#ifndef ETW_RECORDER_JOBS_H
#define ETW_RECORDER_JOBS_H

#include "recorder/command/arguments.h"
#include "recorder/command/stop_signal.h"

/* .etl files to an .etwcap file. */
int etw_record_files(const etw_record_arguments *arguments, etw_stop_signal *signal);

/* A live session to .etwcap files (Windows). */
int etw_record_live(const etw_record_arguments *arguments, etw_stop_signal *signal);

/* Sessions of the boot: --boot (Windows). */
int etw_record_boot(const etw_record_arguments *arguments, etw_stop_signal *signal);

#endif
