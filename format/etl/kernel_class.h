/* The classes of kernel records: which GUID a hook id stands for. */
#ifndef ETW_FORMAT_ETL_KERNEL_CLASS_H
#define ETW_FORMAT_ETL_KERNEL_CLASS_H

#include "format/base/guid.h"

/* The class GUID of a kernel record's group and type; zero for groups above those known (0x1E).
 * Image loads are logged in the Process group but belong to the Image class. */
const etw_guid *etw_kernel_class_guid(uint8_t group, uint8_t type);

#endif
