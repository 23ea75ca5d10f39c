/* Makes XML of what nearly is: programs that dump manifests write attributes without escaping what
 * is in them. */
#ifndef ETW_FORMAT_SCHEMA_XML_MENDER_H
#define ETW_FORMAT_SCHEMA_XML_MENDER_H

#include "format/base/text.h"

/* Escapes, within the values of attributes, each '<', each '&' that begins no reference, and each
 * quote behind which neither the tag ends nor another attribute begins. Returns how many. The text
 * is ASCII or an encoding that has ASCII in it. */
uint32_t etw_xml_mend(etw_bytes xml, etw_text *mended);

#endif
