#include "format/event/render/error_text.h"

#include <stddef.h>
#include <string.h>

typedef struct error_text {
    uint32_t code;
    const char *text;
} error_text;

/* Each table is sorted by code. */
static const error_text win32_errors[] = {
    {0, "The operation completed successfully."},
    {1, "Incorrect function."},
    {2, "The system cannot find the file specified."},
    {3, "The system cannot find the path specified."},
    {4, "The system cannot open the file."},
    {5, "Access is denied."},
    {6, "The handle is invalid."},
    {7, "The storage control blocks were destroyed."},
    {8, "Not enough memory resources are available to process this command."},
    {9, "The storage control block address is invalid."},
    {10, "The environment is incorrect."},
    {11, "An attempt was made to load a program with an incorrect format."},
    {12, "The access code is invalid."},
    {13, "The data is invalid."},
    {14, "Not enough memory resources are available to complete this operation."},
    {15, "The system cannot find the drive specified."},
    {16, "The directory cannot be removed."},
    {17, "The system cannot move the file to a different disk drive."},
    {18, "There are no more files."},
    {19, "The media is write protected."},
    {20, "The system cannot find the device specified."},
    {21, "The device is not ready."},
    {22, "The device does not recognize the command."},
    {23, "Data error (cyclic redundancy check)."},
    {24, "The program issued a command but the command length is incorrect."},
    {25, "The drive cannot locate a specific area or track on the disk."},
    {26, "The specified disk or diskette cannot be accessed."},
    {27, "The drive cannot find the sector requested."},
    {28, "The printer is out of paper."},
    {29, "The system cannot write to the specified device."},
    {30, "The system cannot read from the specified device."},
    {31, "A device attached to the system is not functioning."},
    {32, "The process cannot access the file because it is being used by another process."},
    {33, "The process cannot access the file because another process has locked a portion of the "
         "file."},
    {36, "Too many files opened for sharing."},
    {38, "Reached the end of the file."},
    {39, "The disk is full."},
    {50, "The request is not supported."},
    {51, "Windows cannot find the network path. Verify that the network path is correct and the "
         "destination computer is not busy or turned off. If Windows still cannot find the network "
         "path, contact your network administrator."},
    {52, "You were not connected because a duplicate name exists on the network. If joining a "
         "domain, go to System in Control Panel to change the computer name and try again. If "
         "joining a workgroup, choose another workgroup name."},
    {53, "The network path was not found."},
    {54, "The network is busy."},
    {55, "The specified network resource or device is no longer available."},
    {58, "The specified server cannot perform the requested operation."},
    {59, "An unexpected network error occurred."},
    {64, "The specified network name is no longer available."},
    {65, "Network access is denied."},
    {67, "The network name cannot be found."},
    {80, "The file exists."},
    {82, "The directory or file cannot be created."},
    {85, "The local device name is already in use."},
    {86, "The specified network password is not correct."},
    {87, "The parameter is incorrect."},
    {88, "A write fault occurred on the network."},
    {89, "The system cannot start another process at this time."},
    {108, "The disk is in use or locked by another process."},
    {109, "The pipe has been ended."},
    {110, "The system cannot open the device or file specified."},
    {111, "The file name is too long."},
    {112, "There is not enough space on the disk."},
    {117, "The IOCTL call made by the application program is not correct."},
    {119, "The system does not support the command requested."},
    {120, "This function is not supported on this system."},
    {121, "The semaphore timeout period has expired."},
    {122, "The data area passed to a system call is too small."},
    {123, "The filename, directory name, or volume label syntax is incorrect."},
    {124, "The system call level is not correct."},
    {126, "The specified module could not be found."},
    {127, "The specified procedure could not be found."},
    {128, "There are no child processes to wait for."},
    {130, "Attempt to use a file handle to an open disk partition for an operation other than raw "
          "disk I/O."},
    {131, "An attempt was made to move the file pointer before the beginning of the file."},
    {132, "The file pointer cannot be set on the specified device or file."},
    {144, "The directory is not a subdirectory of the root directory."},
    {145, "The directory is not empty."},
    {154, "The volume label you entered exceeds the label character limit of the target file "
          "system."},
    {158, "The segment is already unlocked."},
    {160, "One or more arguments are not correct."},
    {161, "The specified path is invalid."},
    {167, "Unable to lock a region of a file."},
    {170, "The requested resource is in use."},
    {183, "Cannot create a file when that file already exists."},
    {186, "The flag passed is not correct."},
    {187, "The specified system semaphore name was not found."},
    {193, "%1 is not a valid Win32 application."},
    {203, "The system could not find the environment option that was entered."},
    {206, "The filename or extension is too long."},
    {216, "This version of %1 is not compatible with the version of Windows you're running. Check "
          "your computer's system information and then contact the software publisher."},
    {225, "Operation did not complete successfully because the file contains a virus or "
          "potentially unwanted software."},
    {230, "The pipe state is invalid."},
    {231, "All pipe instances are busy."},
    {232, "The pipe is being closed."},
    {233, "No process is on the other end of the pipe."},
    {234, "More data is available."},
    {240, "The session was canceled."},
    {258, "The wait operation timed out."},
    {259, "No more data is available."},
    {266, "The copy functions cannot be used."},
    {267, "The directory name is invalid."},
    {288, "Attempt to release mutex not owned by caller."},
    {298, "Too many posts were made to a semaphore."},
    {299, "Only part of a ReadProcessMemory or WriteProcessMemory request was completed."},
    {317,
     "The system cannot find message text for message number 0x%1 in the message file for %2."},
    {350, "No action was taken as a system reboot is required."},
    {352, "The restart operation failed."},
    {395, "Access to the cloud file is denied."},
    {487, "Attempt to access invalid address."},
    {534, "Arithmetic result exceeded 32 bits."},
    {535, "There is a process on other end of the pipe."},
    {536, "Waiting for a process to open the other end of the pipe."},
    {575,
     "{Application Error}\r\nThe application was unable to start correctly (0x%lx). Click OK to "
     "close the application."},
    {577, "Windows cannot verify the digital signature for this file. A recent hardware or "
          "software change might have installed a file that is signed incorrectly or damaged, or "
          "that might be malicious software from an unknown source."},
    {740, "The requested operation requires elevation."},
    {995, "The I/O operation has been aborted because of either a thread exit or an application "
          "request."},
    {996, "Overlapped I/O event is not in a signaled state."},
    {997, "Overlapped I/O operation is in progress."},
    {998, "Invalid access to memory location."},
    {999, "Error performing inpage operation."},
    {1001, "Recursion too deep; the stack overflowed."},
    {1003, "Cannot complete this function."},
    {1004, "Invalid flags."},
    {1005, "The volume does not contain a recognized file system. Please make sure that all "
           "required file system drivers are loaded and that the volume is not corrupted."},
    {1006, "The volume for a file has been externally altered so that the opened file is no longer "
           "valid."},
    {1008, "An attempt was made to reference a token that does not exist."},
    {1009, "The configuration registry database is corrupt."},
    {1010, "The configuration registry key is invalid."},
    {1011, "The configuration registry key could not be opened."},
    {1012, "The configuration registry key could not be read."},
    {1013, "The configuration registry key could not be written."},
    {1018, "Illegal operation attempted on a registry key that has been marked for deletion."},
    {1053, "The service did not respond to the start or control request in a timely fashion."},
    {1055, "The service database is locked."},
    {1056, "An instance of the service is already running."},
    {1058, "The service cannot be started, either because it is disabled or because it has no "
           "enabled devices associated with it."},
    {1060, "The specified service does not exist as an installed service."},
    {1061, "The service cannot accept control messages at this time."},
    {1062, "The service has not been started."},
    {1063, "The service process could not connect to the service controller."},
    {1066, "The service has returned a service-specific error code."},
    {1067, "The process terminated unexpectedly."},
    {1068, "The dependency service or group failed to start."},
    {1069, "The service did not start due to a logon failure."},
    {1072, "The specified service has been marked for deletion."},
    {1073, "The specified service already exists."},
    {1075, "The dependency service does not exist or has been marked for deletion."},
    {1077, "No attempts to start the service have been made since the last boot."},
    {1115, "A system shutdown is in progress."},
    {1117, "The request could not be performed because of an I/O device error."},
    {1150, "The specified program requires a newer version of Windows."},
    {1154, "One of the library files needed to run this application is damaged."},
    {1155, "No application is associated with the specified file for this operation."},
    {1158, "The current process has used all of its system allowance of handles for Window Manager "
           "objects."},
    {1167, "The device is not connected."},
    {1168, "Element not found."},
    {1169, "There was no match for the specified key in the index."},
    {1200, "The specified device name is invalid."},
    {1203, "The network path was either typed incorrectly, does not exist, or the network provider "
           "is not currently available. Please try retyping the path or contact your network "
           "administrator."},
    {1219, "Multiple connections to a server or shared resource by the same user, using more than "
           "one user name, are not allowed. Disconnect all previous connections to the server or "
           "shared resource and try again."},
    {1220, "An attempt was made to establish a session to a network server, but there are already "
           "too many sessions established to that server."},
    {1222, "The network is not present or not started."},
    {1223, "The operation was canceled by the user."},
    {1224,
     "The requested operation cannot be performed on a file with a user-mapped section open."},
    {1225, "The remote computer refused the network connection."},
    {1226, "The network connection was gracefully closed."},
    {1229, "An operation was attempted on a nonexistent network connection."},
    {1231, "The network location cannot be reached. For information about network troubleshooting, "
           "see Windows Help."},
    {1232, "The network location cannot be reached. For information about network troubleshooting, "
           "see Windows Help."},
    {1234, "No service is operating at the destination network endpoint on the remote system."},
    {1235, "The request was aborted."},
    {1236, "The network connection was aborted by the local system."},
    {1237, "The operation could not be completed. A retry should be performed."},
    {1240, "The account is not authorized to log in from this station."},
    {1242, "The service is already registered."},
    {1243, "The specified service does not exist."},
    {1244, "The operation being requested was not performed because the user has not been "
           "authenticated."},
    {1245, "The operation being requested was not performed because the user has not logged on to "
           "the network. The specified service does not exist."},
    {1260, "This program is blocked by group policy. For more information, contact your system "
           "administrator."},
    {1300, "Not all privileges or groups referenced are assigned to the caller."},
    {1307, "This security ID may not be assigned as the owner of this object."},
    {1308, "This security ID may not be assigned as the primary group of an object."},
    {1312, "A specified logon session does not exist. It may already have been terminated."},
    {1314, "A required privilege is not held by the client."},
    {1317, "The specified account does not exist."},
    {1326, "The user name or password is incorrect."},
    {1327, "Account restrictions are preventing this user from signing in. For example: blank "
           "passwords aren't allowed, sign-in times are limited, or a policy restriction has been "
           "enforced."},
    {1330, "The password for this account has expired."},
    {1331, "This user can't sign in because this account is currently disabled."},
    {1332, "No mapping between account names and security IDs was done."},
    {1337, "The security ID structure is invalid."},
    {1338, "The security descriptor structure is invalid."},
    {1340, "The inherited access control list (ACL) or access control entry (ACE) could not be "
           "built."},
    {1346, "Either a required impersonation level was not provided, or the provided impersonation "
           "level is invalid."},
    {1350, "Unable to perform a security operation on an object that has no associated security."},
    {1355, "The specified domain either does not exist or could not be contacted."},
    {1392, "The file or directory is corrupted and unreadable."},
    {1393, "The disk structure is corrupted and unreadable."},
    {1400, "Invalid window handle."},
    {1411, "Class does not exist."},
    {1450, "Insufficient system resources exist to complete the requested service."},
    {1453, "Insufficient quota to complete the requested service."},
    {1455, "The paging file is too small for this operation to complete."},
    {1460, "This operation returned because the timeout period expired."},
    {1500, "The event log file is corrupted."},
    {1605, "This action is only valid for products that are currently installed."},
    {1618, "Another installation is already in progress. Complete that installation before "
           "proceeding with this install."},
    {1701, "The binding handle is not the correct type."},
    {1702, "The binding handle is invalid."},
    {1717, "The interface is unknown."},
    {1722, "The RPC server is unavailable."},
    {1723, "The RPC server is too busy to complete this operation."},
    {1726, "The remote procedure call failed."},
    {1727, "The remote procedure call failed and did not execute."},
    {1728, "A remote procedure call (RPC) protocol error occurred."},
    {1745, "The procedure number is out of range."},
    {1753, "There are no more endpoints available from the endpoint mapper."},
    {1783, "The stub received bad data."},
    {1784, "The supplied user buffer is not valid for the requested operation."},
    {1789, "The trust relationship between this workstation and the primary domain failed."},
    {1818, "The remote procedure call was cancelled."},
    {1825, "A security package specific error occurred."},
    {1907, "The user's password must be changed before signing in."},
    {1909, "The referenced account is currently locked out and may not be logged on to."},
    {1920, "The file cannot be accessed by the system."},
    {2202, "The specified username is invalid."},
    {2250, "This network connection does not exist."},
    {2404, "The device is in use by an active process and cannot be disconnected."},
    {4200, "The GUID passed was not recognized as valid by a WMI data provider."},
    {4201, "The instance name passed was not recognized as valid by a WMI data provider."},
    {4317, "The operation identifier is not valid."},
    {4390, "The file or directory is not a reparse point."},
    {4392, "The data present in the reparse point buffer is invalid."},
    {5023, "The group or resource is not in the correct state to perform the requested operation."},
    {6118, "The list of servers for this workgroup is not currently available"},
    {8224, "An operations error occurred."},
    {8341, "A directory service error has occurred."},
    {8453, "Replication access was denied."},
    {8524, "The DSA operation is unable to proceed because of a DNS lookup failure."},
    {9002, "DNS server failure."},
    {9003, "DNS name does not exist."},
    {9004, "DNS request not supported by name server."},
    {9005, "DNS operation refused."},
    {9501, "No records found for given DNS query."},
    {9502, "Bad DNS packet."},
    {9560, "DNS name contains an invalid character."},
    {9701, "DNS record does not exist."},
    {10004, "A blocking operation was interrupted by a call to WSACancelBlockingCall."},
    {10009, "The file handle supplied is not valid."},
    {10013, "An attempt was made to access a socket in a way forbidden by its access permissions."},
    {10014, "The system detected an invalid pointer address in attempting to use a pointer "
            "argument in a call."},
    {10022, "An invalid argument was supplied."},
    {10024, "Too many open sockets."},
    {10035, "A non-blocking socket operation could not be completed immediately."},
    {10036, "A blocking operation is currently executing."},
    {10037, "An operation was attempted on a non-blocking socket that already had an operation in "
            "progress."},
    {10038, "An operation was attempted on something that is not a socket."},
    {10039, "A required address was omitted from an operation on a socket."},
    {10040, "A message sent on a datagram socket was larger than the internal message buffer or "
            "some other network limit, or the buffer used to receive a datagram into was smaller "
            "than the datagram itself."},
    {10041, "A protocol was specified in the socket function call that does not support the "
            "semantics of the socket type requested."},
    {10042, "An unknown, invalid, or unsupported option or level was specified in a getsockopt or "
            "setsockopt call."},
    {10043, "The requested protocol has not been configured into the system, or no implementation "
            "for it exists."},
    {10044, "The support for the specified socket type does not exist in this address family."},
    {10045, "The attempted operation is not supported for the type of object referenced."},
    {10046, "The protocol family has not been configured into the system or no implementation for "
            "it exists."},
    {10047, "An address incompatible with the requested protocol was used."},
    {10048, "Only one usage of each socket address (protocol/network address/port) is normally "
            "permitted."},
    {10049, "The requested address is not valid in its context."},
    {10050, "A socket operation encountered a dead network."},
    {10051, "A socket operation was attempted to an unreachable network."},
    {10052, "The connection has been broken due to keep-alive activity detecting a failure while "
            "the operation was in progress."},
    {10053, "An established connection was aborted by the software in your host machine."},
    {10054, "An existing connection was forcibly closed by the remote host."},
    {10055, "An operation on a socket could not be performed because the system lacked sufficient "
            "buffer space or because a queue was full."},
    {10056, "A connect request was made on an already connected socket."},
    {10057, "A request to send or receive data was disallowed because the socket is not connected "
            "and (when sending on a datagram socket using a sendto call) no address was supplied."},
    {10058, "A request to send or receive data was disallowed because the socket had already been "
            "shut down in that direction with a previous shutdown call."},
    {10059, "Too many references to some kernel object."},
    {10060, "A connection attempt failed because the connected party did not properly respond "
            "after a period of time, or established connection failed because connected host has "
            "failed to respond."},
    {10061, "No connection could be made because the target machine actively refused it."},
    {10062, "Cannot translate name."},
    {10063, "Name component or name was too long."},
    {10064, "A socket operation failed because the destination host was down."},
    {10065, "A socket operation was attempted to an unreachable host."},
    {10066, "Cannot remove a directory that is not empty."},
    {10067, "A Windows Sockets implementation may have a limit on the number of applications that "
            "may use it simultaneously."},
    {10091, "WSAStartup cannot function at this time because the underlying system it uses to "
            "provide network services is currently unavailable."},
    {10093, "Either the application has not called WSAStartup, or WSAStartup failed."},
    {10101, "Returned by WSARecv or WSARecvFrom to indicate the remote party has initiated a "
            "graceful shutdown sequence."},
    {11001, "No such host is known."},
    {11002, "This is usually a temporary error during hostname resolution and means that the local "
            "server did not receive a response from an authoritative server."},
    {11003, "A non-recoverable error occurred during a database lookup."},
    {11004, "The requested name is valid, but no data of the requested type was found."},
    {14001, "The application has failed to start because its side-by-side configuration is "
            "incorrect. Please see the application event log or use the command-line sxstrace.exe "
            "tool for more detail."},
    {15001, "The specified query is invalid."},
    {15005, "The event data raised by the publisher is not compatible with the event template "
            "definition in the publisher's manifest."},
    {15007, "The specified channel could not be found."},
    {15027, "The message resource is present but the message was not found in the message table."},
};

static const error_text ntstatuses[] = {
    {0x00000000, "STATUS_SUCCESS"},
    {0x00000001, "STATUS_WAIT_1"},
    {0x00000002, "STATUS_WAIT_2"},
    {0x00000003, "STATUS_WAIT_3"},
    {0x0000003F, "STATUS_WAIT_63"},
    {0x00000080, "STATUS_ABANDONED_WAIT_0"},
    {0x000000C0, "STATUS_USER_APC"},
    {0x00000101, "STATUS_ALERTED"},
    {0x00000102, "STATUS_TIMEOUT"},
    {0x00000103, "The operation that was requested is pending completion."},
    {0x00000104, "A reparse should be performed by the Object Manager since the name of the file "
                 "resulted in a symbolic link."},
    {0x00000105, "Returned by enumeration APIs to indicate more information is available to "
                 "successive calls."},
    {0x00000106, "Indicates not all privileges or groups referenced are assigned to the "
                 "caller.\r\nThis allows, for example, all privileges to be disabled without "
                 "having to know exactly which privileges are assigned."},
    {0x00000107, "Some of the information to be translated has not been translated."},
    {0x0000010B, "This indicates that a notify change request has been completed due to closing "
                 "the handle which made the notify change request."},
    {0x0000010C, "This indicates that a notify change request is being completed and that the "
                 "information is not being returned in the caller's buffer.\r\nThe caller now "
                 "needs to enumerate the files to find the changes."},
    {0x40000000, "{Object Exists}\r\nAn attempt was made to create an object and the object name "
                 "already existed."},
    {0x40000003, "{Image Relocated}\r\nAn image file could not be mapped at the address "
                 "specified in the image file. Local fixups must be performed on this image."},
    {0x80000001, "{EXCEPTION}\r\nGuard Page Exception\r\nA page of memory that marks the end of "
                 "a data structure, such as a stack or an array, has been accessed."},
    {0x80000002, "{EXCEPTION}\r\nAlignment Fault\r\nA datatype misalignment was detected in a "
                 "load or store instruction."},
    {0x80000003, "{EXCEPTION}\r\nBreakpoint\r\nA breakpoint has been reached."},
    {0x80000004, "{EXCEPTION}\r\nSingle Step\r\nA single step or trace operation has just been "
                 "completed."},
    {0x80000005, "{Buffer Overflow}\r\nThe data was too large to fit into the specified buffer."},
    {0x80000006, "{No More Files}\r\nNo more files were found which match the file specification."},
    {0x8000000D, "{Partial Copy}\r\nDue to protection conflicts not all the requested bytes "
                 "could be copied."},
    {0x80000011, "{Device Busy}\r\nThe device is currently busy."},
    {0x80000016, "{Verifying Disk}\r\nThe media has changed and a verify operation is in "
                 "progress so no reads or writes may be performed to the device, except those "
                 "used in the verify operation."},
    {0x8000001A, "{No More Entries}\r\nNo more entries are available from an enumeration "
                 "operation."},
    {0x8000002D, "The create operation stopped after reaching a symbolic link."},
    {0xC0000001, "{Operation Failed}\r\nThe requested operation was unsuccessful."},
    {0xC0000002, "{Not Implemented}\r\nThe requested operation is not implemented."},
    {0xC0000003, "{Invalid Parameter}\r\nThe specified information class is not a valid "
                 "information class for the specified object."},
    {0xC0000004, "The specified information record length does not match the length required for "
                 "the specified information class."},
    {0xC0000005, "The instruction at 0x%p referenced memory at 0x%p. The memory could not be %s."},
    {0xC0000006, "The instruction at 0x%p referenced memory at 0x%p. The required data was not "
                 "placed into memory because of an I/O error status of 0x%x."},
    {0xC0000007, "The pagefile quota for the process has been exhausted."},
    {0xC0000008, "An invalid HANDLE was specified."},
    {0xC000000A, "An invalid initial start address was specified in a call to NtCreateThread."},
    {0xC000000B, "An invalid Client ID was specified."},
    {0xC000000D, "An invalid parameter was passed to a service or function."},
    {0xC000000E, "A device which does not exist was specified."},
    {0xC000000F, "{File Not Found}\r\nThe file %hs does not exist."},
    {0xC0000010, "The specified request is not a valid operation for the target device."},
    {0xC0000011, "The end-of-file marker has been reached. There is no valid data in the file "
                 "beyond this marker."},
    {0xC0000012, "{Wrong Volume}\r\nThe wrong volume is in the drive.\r\nPlease insert volume %hs "
                 "into drive %hs."},
    {0xC0000013,
     "{No Disk}\r\nThere is no disk in the drive.\r\nPlease insert a disk into drive %hs."},
    {0xC0000016, "{Still Busy}\r\nThe specified I/O request packet (IRP) cannot be disposed of "
                 "because the I/O operation is not complete."},
    {0xC0000017, "{Not Enough Quota}\r\nNot enough virtual memory or paging file quota is "
                 "available to complete the specified operation."},
    {0xC0000018, "{Conflicting Address Range}\r\nThe specified address range conflicts with the "
                 "address space."},
    {0xC000001D, "{EXCEPTION}\r\nIllegal Instruction\r\nAn attempt was made to execute an "
                 "illegal instruction."},
    {0xC0000022, "{Access Denied}\r\nA process has requested access to an object, but has not "
                 "been granted those access rights."},
    {0xC0000023, "{Buffer Too Small}\r\nThe buffer is too small to contain the entry. No "
                 "information has been written to the buffer."},
    {0xC0000024, "{Wrong Type}\r\nThere is a mismatch between the type of object required by the "
                 "requested operation and the type of object that is specified in the request."},
    {0xC0000033, "Object Name invalid."},
    {0xC0000034, "Object Name not found."},
    {0xC0000035, "Object Name already exists."},
    {0xC0000037, "Attempt to send a message to a disconnected communication port."},
    {0xC0000039, "Object Path Component was not a directory object."},
    {0xC000003A, "{Path Not Found}\r\nThe path %hs does not exist."},
    {0xC000003B, "Object Path Component was not a directory object."},
    {0xC0000041, "The NtConnectPort request is refused."},
    {0xC0000043, "A file cannot be opened because the share access flags are incompatible."},
    {0xC0000044, "Insufficient quota exists to complete the operation"},
    {0xC0000045, "The specified page protection was not valid."},
    {0xC0000046, "An attempt to release a mutant object was made by a thread that was not the "
                 "owner of the mutant object."},
    {0xC0000054, "A requested read/write cannot be granted due to a conflicting file lock."},
    {0xC0000055, "A requested file lock cannot be granted due to other existing locks."},
    {0xC0000056, "A non close operation has been requested of a file object with a delete "
                 "pending."},
    {0xC000005E,
     "We can't sign you in with this credential because your domain isn't available. Make sure "
     "your device is connected to your organization's network and try again. If you previously "
     "signed in on this device with another credential, you can sign in with that credential."},
    {0xC0000061, "A required privilege is not held by the client."},
    {0xC0000064, "The specified account does not exist."},
    {0xC000006A, "When trying to update a password, this return status indicates that the value "
                 "provided as the current password is not correct."},
    {0xC000006D, "The attempted logon is invalid. This is either due to a bad username or "
                 "authentication information."},
    {0xC000006E, "Indicates a referenced user name and authentication information are valid, but "
                 "some user account restriction has prevented successful authentication (such as "
                 "time-of-day restrictions)."},
    {0xC0000070, "The user account is restricted such that it may not be used to log on from the "
                 "source workstation."},
    {0xC0000071, "The user account's password has expired."},
    {0xC0000072, "The referenced account is currently disabled and may not be logged on to."},
    {0xC0000073, "None of the information to be translated has been translated."},
    {0xC000007F, "An operation failed because the disk was full.\r\nIf this is a thinly "
                 "provisioned volume the physical storage backing this volume has been exhausted."},
    {0xC000008A, "Indicates the specified resource type cannot be found in the image file."},
    {0xC0000094, "{EXCEPTION}\r\nInteger division by zero."},
    {0xC0000095, "{EXCEPTION}\r\nInteger overflow."},
    {0xC000009A, "Insufficient system resources exist to complete the API."},
    {0xC000009C, "STATUS_DEVICE_DATA_ERROR"},
    {0xC000009D, "STATUS_DEVICE_NOT_CONNECTED"},
    {0xC00000A2, "{Write Protect Error}\r\nThe disk cannot be written to because it is write "
                 "protected. Please remove the write protection from the volume %hs in drive %hs."},
    {0xC00000A3, "{Drive Not Ready}\r\nThe drive is not ready for use; its door may be open. "
                 "Please check drive %hs and make sure that a disk is inserted and that the "
                 "drive door is closed."},
    {0xC00000AC, "An instance of a named pipe cannot be found in the listening state."},
    {0xC00000AE, "The specified pipe is set to complete operations and there are current I/O "
                 "operations queued so it cannot be changed to queue operations."},
    {0xC00000B0, "The specified named pipe is in the disconnected state."},
    {0xC00000B1, "The specified named pipe is in the closing state."},
    {0xC00000B5, "{Device Timeout}\r\nThe specified I/O operation on %hs was not completed "
                 "before the time-out period expired."},
    {0xC00000BA, "The file that was specified as a target is a directory and the caller "
                 "specified that it could be anything but a directory."},
    {0xC00000BB, "The request is not supported."},
    {0xC00000BE, "The network path cannot be located."},
    {0xC00000BF, "The network is busy."},
    {0xC00000C0, "This device does not exist."},
    {0xC00000C3, "The network responded incorrectly."},
    {0xC00000C4, "An unexpected network error occurred."},
    {0xC00000C9, "The network name was deleted."},
    {0xC00000CA, "Network access is denied."},
    {0xC00000CC, "{Network Name Not Found}\r\nThe specified share name cannot be found on the "
                 "remote server."},
    {0xC00000D0, "No more connections can be made to this remote computer at this time because "
                 "there are already as many connections as the computer can accept."},
    {0xC00000D4, "{Incorrect Volume}\r\nThe target file of a rename request is located on a "
                 "different device than the source of the rename request."},
    {0xC00000D5, "The file specified has been renamed and thus cannot be modified."},
    {0xC00000E2, "Error status returned when oplock request is denied."},
    {0xC00000E9,
     "If an I/O error is returned which is not defined in the standard FsRtl filter, it is "
     "converted to the following error which is guaranteed to be in the filter. In this case "
     "information is lost, however, the filter correctly handles the exception."},
    {0xC0000101, "Indicates that the directory trying to be deleted is not empty."},
    {0xC0000102, "{Corrupt File}\r\nThe file or directory %hs is corrupt and unreadable.\r\nPlease "
                 "run the Chkdsk utility."},
    {0xC0000103, "A requested opened file is not a directory."},
    {0xC000010A, "An attempt was made to access an exiting process."},
    {0xC0000120, "The I/O request was canceled."},
    {0xC0000121, "An attempt has been made to remove a file or directory that cannot be deleted."},
    {0xC0000123, "An I/O request other than close was performed on a file after it has been "
                 "deleted, which can only happen to a request which did not complete before the "
                 "last handle was closed via NtClose."},
    {0xC0000128, "An I/O request other than close and several other special case operations was "
                 "attempted using a file object that had already been closed."},
    {0xC000012D, "{Out of Virtual Memory}\r\nYour system is low on virtual memory. To ensure "
                 "that Windows runs properly, increase the size of your virtual memory paging "
                 "file. For more information, see Help."},
    {0xC000012F,
     "The specified image file did not have the correct format, it did not have an initial MZ."},
    {0xC0000130, "The specified image file did not have the correct format, it did not have a "
                 "proper e_lfarlc in the MZ header."},
    {0xC0000135, "The code execution cannot proceed because %hs was not found. Reinstalling the "
                 "program may fix this problem."},
    {0xC000013A, "{Application Exit by CTRL+C}\r\nThe application terminated as a result of a "
                 "CTRL+C."},
    {0xC000013C, "{Virtual Circuit Closed}\r\nThe network transport on a remote computer has "
                 "closed a network connection. There may or may not be I/O requests outstanding."},
    {0xC000013D,
     "{Insufficient Resources on Remote Computer}\r\nThe remote computer has insufficient "
     "resources to complete the network request. For instance, there may not be enough memory "
     "available on the remote computer to carry out the request at this time."},
    {0xC000014B, "The pipe operation has failed because the other end of the pipe has been "
                 "closed."},
    {0xC0000185, "The I/O device reported an I/O error."},
    {0xC000018B, "The SAM database on the Windows Server does not have a computer account for "
                 "this workstation trust relationship."},
    {0xC0000203, "The remote user session has been deleted."},
    {0xC0000205, "Insufficient server resources exist to complete the request."},
    {0xC0000206, "The size of the buffer is invalid for the specified operation."},
    {0xC000020C, "The transport connection is now disconnected."},
    {0xC000020D, "The transport connection has been reset."},
    {0xC0000225, "The object was not found."},
    {0xC0000234, "The user account has been automatically locked because too many invalid logon "
                 "attempts or password change attempts have been requested."},
    {0xC0000236, "The transport connection attempt was refused by the remote system."},
    {0xC0000238, "The transport endpoint already has an address associated with it."},
    {0xC000023A, "An operation was attempted on a nonexistent transport connection."},
    {0xC000023C, "The remote network is not reachable by the transport."},
    {0xC000023D, "The remote system is not reachable by the transport."},
    {0xC000023F,
     "No service is operating at the destination port of the transport on the remote system."},
    {0xC0000240, "The request was aborted."},
    {0xC0000241, "The transport connection was aborted by the local system."},
    {0xC0000257, "The contacted server does not support the indicated part of the DFS namespace."},
    {0xC0000272, "There was no match for the specified key in the index."},
    {0xC0000275, "The file or directory is not a reparse point."},
    {0xC0000279, "The layered file system driver for this IO tag did not handle it when needed."},
    {0xC000035C, "The client's session has expired, so the client must reauthenticate to continue "
                 "accessing the remote resources."},
    {0xC0000409, "The system detected an overrun of a stack-based buffer in this application. "
                 "This overrun could potentially allow a malicious user to gain control of this "
                 "application."},
    {0xC0000428, "Windows cannot verify the digital signature for this file. A recent hardware "
                 "or software change might have installed a file that is signed incorrectly or "
                 "damaged, or that might be malicious software from an unknown source."},
    {0xC0000906, "Operation did not complete successfully because the file contains a virus or "
                 "potentially unwanted software."},
};

static const error_text hresults[] = {
    {0x00000000, "The operation completed successfully."},
    {0x00000001, "Incorrect function."},
    {0x80000002, "Ran out of memory"},
    {0x80000003, "One or more arguments are invalid"},
    {0x8000000A, "The data necessary to complete this operation is not yet available."},
    {0x8000000B, "The operation attempted to access data outside the valid range"},
    {0x8000000C, "A concurrent or interleaved operation changed the state of the object, "
                 "invalidating this operation."},
    {0x8000000D, "An illegal state change was requested."},
    {0x8000000E, "A method was called at an unexpected time."},
    {0x80000013, "The object has been closed."},
    {0x80004001, "Not implemented"},
    {0x80004002, "No such interface supported"},
    {0x80004003, "Invalid pointer"},
    {0x80004004, "Operation aborted"},
    {0x80004005, "Unspecified error"},
    {0x8000FFFF, "Catastrophic failure"},
    {0x80010001, "Call was rejected by callee."},
    {0x80010002, "Call was canceled by the message filter."},
    {0x80010007, "The callee (server [not server application]) is not available and disappeared; "
                 "all connections are invalid. The call may have executed."},
    {0x80010012, "The callee (server [not server application]) is not available and disappeared; "
                 "all connections are invalid. The call did not execute."},
    {0x80010105, "The server threw an exception."},
    {0x80010106, "Cannot change thread mode after it is set."},
    {0x80010108, "The object invoked has disconnected from its clients."},
    {0x8001010A, "The message filter indicated that the application is busy."},
    {0x8001010D, "An outgoing call cannot be made since the application is dispatching an "
                 "input-synchronous call."},
    {0x8001010E, "The application called an interface that was marshalled for a different thread."},
    {0x80020003, "Member not found."},
    {0x80020005, "Type mismatch."},
    {0x80020006, "Unknown name."},
    {0x80020008, "Bad variable type."},
    {0x80020009, "Exception occurred."},
    {0x8002000A, "Out of present range."},
    {0x8002000B, "Invalid index."},
    {0x8002000E, "Invalid number of parameters."},
    {0x80028019, "Old format or invalid type library."},
    {0x8002801D, "Library not registered."},
    {0x80029C4A, "Error loading type library/DLL."},
    {0x80030001, "Unable to perform requested operation."},
    {0x80030002, "%1 could not be found."},
    {0x80030003, "The path %1 could not be found."},
    {0x80030005, "Access Denied."},
    {0x80030008, "There is insufficient memory available to complete operation."},
    {0x80040110, "Class does not support aggregation (or class object is remote)"},
    {0x80040111, "ClassFactory cannot supply requested class"},
    {0x80040112, "Class is not licensed for use"},
    {0x80040150, "Could not read key from registry"},
    {0x80040151, "Could not write key to registry"},
    {0x80040152, "Could not find the key in the registry"},
    {0x80040153, "Invalid value for registry"},
    {0x80040154, "Class not registered"},
    {0x80040155, "Interface not registered"},
    {0x800401E3, "Operation unavailable"},
    {0x800401F0, "CoInitialize has not been called."},
    {0x800401F1, "CoInitialize has already been called."},
    {0x800401F3, "Invalid class string"},
    {0x80040201, "An event was unable to invoke any of the subscribers"},
    {0x80080005, "Server execution failed"},
    {0x80090005, "Bad Data."},
    {0x8009000B, "Key not valid for use in specified state."},
    {0x8009000D, "Key does not exist."},
    {0x8009000F, "Object already exists."},
    {0x80090010, "Access denied."},
    {0x80090011, "Object was not found."},
    {0x80090016, "Keyset does not exist"},
    {0x80090020, "An internal error occurred."},
    {0x80090026, "The supplied handle is invalid."},
    {0x80090027, "The parameter is incorrect."},
    {0x80090029, "The requested operation is not supported."},
    {0x80090030, "The device that is required by this cryptographic provider is not ready for "
                 "use."},
    {0x80090300, "Not enough memory is available to complete this request"},
    {0x80090301, "The handle specified is invalid"},
    {0x80090302, "The function requested is not supported"},
    {0x80090303, "The specified target is unknown or unreachable"},
    {0x80090304, "The Local Security Authority cannot be contacted"},
    {0x80090305, "The requested security package does not exist"},
    {0x80090308, "The token supplied to the function is invalid"},
    {0x8009030C, "The logon attempt failed"},
    {0x8009030D, "The credentials supplied to the package were not recognized"},
    {0x8009030E, "No credentials are available in the security package"},
    {0x8009030F, "The message or signature supplied for verification has been altered"},
    {0x80090311, "No authority could be contacted for authentication."},
    {0x80090318, "The supplied message is incomplete. The signature was not verified."},
    {0x80090322, "The target principal name is incorrect."},
    {0x80090325, "The certificate chain was issued by an authority that is not trusted."},
    {0x80090326, "The message received was unexpected or badly formatted."},
    {0x80090327, "An unknown error occurred while processing the certificate."},
    {0x80090328, "The received certificate has expired."},
    {0x80090331, "The client and server cannot communicate, because they do not possess a common "
                 "algorithm."},
    {0x80092004, "Cannot find object or property."},
    {0x80092012, "The revocation function was unable to check revocation for the certificate."},
    {0x80092013, "The revocation function was unable to check revocation because the revocation "
                 "server was offline."},
    {0x80096010, "The digital signature of the object did not verify."},
    {0x800B0001, "Unknown trust provider."},
    {0x800B0004, "The subject is not trusted for the specified action."},
    {0x800B0100, "No signature was present in the subject."},
    {0x800B0101, "A required certificate is not within its validity period when verifying "
                 "against the current system clock or the timestamp in the signed file."},
    {0x800B0109, "A certificate chain processed, but terminated in a root certificate which is "
                 "not trusted by the trust provider."},
    {0x800B010A, "A certificate chain could not be built to a trusted root authority."},
    {0x800B010F, "The certificate's CN name does not match the passed value."},
};

static const char *find(const error_text *table, size_t count, uint32_t code)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (table[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && table[low].code == code ? table[low].text : NULL;
}

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

const char *etw_win32_error_text(uint32_t code)
{
    return find(win32_errors, COUNT_OF(win32_errors), code);
}

const char *etw_ntstatus_text(uint32_t code)
{
    return find(ntstatuses, COUNT_OF(ntstatuses), code);
}

const char *etw_hresult_text(uint32_t code)
{
    const char *text = code >> 16 == 0x8007u ? etw_win32_error_text(code & 0xFFFFu)
                                             : find(hresults, COUNT_OF(hresults), code);
    return text == NULL || strstr(text, "%1") != NULL ? NULL : text;
}

static bool find_text(const error_text *table, size_t count, const char *text, size_t size,
                      uint32_t *code)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(table[i].text) == size && memcmp(table[i].text, text, size) == 0) {
            *code = table[i].code;
            return true;
        }
    }
    return false;
}

bool etw_win32_error_of_text(const char *text, size_t size, uint32_t *code)
{
    return find_text(win32_errors, COUNT_OF(win32_errors), text, size, code);
}

bool etw_ntstatus_of_text(const char *text, size_t size, uint32_t *code)
{
    return find_text(ntstatuses, COUNT_OF(ntstatuses), text, size, code);
}

bool etw_hresult_of_text(const char *text, size_t size, uint32_t *code)
{
    if (find_text(hresults, COUNT_OF(hresults), text, size, code)) {
        return true;
    }
    const bool found = etw_win32_error_of_text(text, size, code);
    *code |= 0x80070000u;
    return found && etw_hresult_text(*code) != NULL;
}
