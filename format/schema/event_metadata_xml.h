/* The form in which WEPExplorer and tools like it write what Windows' event log tells of providers:
 *
 *     <Providers><Provider><Name>...</Name><Metadata><Guid>...</Guid></Metadata><EventMetadata>
 *       <Event><Id>1</Id><Version>0</Version><Message><![CDATA[...]]></Message>
 *         <Template><![CDATA[<template><data name=... inType=.../></template>]]></Template></Event>
 *
 * Levels, tasks, opcodes and keywords are texts there, in the language of the machine, and not told
 * by number; they are left out. */
#ifndef ETW_FORMAT_SCHEMA_EVENT_METADATA_XML_H
#define ETW_FORMAT_SCHEMA_EVENT_METADATA_XML_H

#include "format/base/status.h"
#include "format/base/text.h"

/* Whether its first element says that it is in this form; UTF-8. */
bool etw_event_metadata_is(etw_bytes xml);

/* Appends a manifest that says the same. */
etw_status etw_event_metadata_to_manifest(etw_bytes xml, etw_text *manifest, etw_error *error);

#endif
