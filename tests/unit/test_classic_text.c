/* Records of each classic kernel class, and the text of their properties. The bytes are made by
 * hand: hex digits, 00*8 for eight zero bytes, 'text' and L'text' for 8-bit and UTF-16 strings with
 * NUL. */
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "format/schema/classic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVENT_TRACE   "68fdd900-4a3e-11d1-84f4-0000f80464e3"
#define PROCESS       "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"
#define THREAD        "3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c"
#define IMAGE         "2cb15d1d-5fc1-11d2-abe1-00a0c911f518"
#define DISK_IO       "3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c"
#define FILE_IO       "90cbdc39-4a3e-11d1-84f4-0000f80464e3"
#define SPLIT_IO      "d837ca92-12b9-44a5-ad6a-3a65b3578aa8"
#define PAGE_FAULT    "3d6fa8d3-fe05-11d0-9dda-00c04fd7ba7c"
#define REGISTRY      "ae53722e-c863-11d2-8659-00c04fa321a1"
#define TCP_IP        "9a280ac0-c8e0-11d1-84e2-00c04fb998a2"
#define UDP_IP        "bf3a50c5-a9c9-4988-a005-2df0b7c80f80"
#define PERF_INFO     "ce1dbfb4-137e-4da6-87b0-3f59aa102cbc"
#define STACK_WALK    "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3"
#define SYSTEM_CONFIG "01853a65-418f-4f36-aefc-dc0f1d2fd235"
#define ALPC          "45d8cccd-539f-4b72-a8b7-5c683142609a"
#define OBJECT        "89497f50-effe-4440-8cf2-ce6b1cdcaca7"
#define POOL          "0268a8b6-74fd-4302-9dd0-6e8f1795c0cf"
#define POWER         "e43445e0-0903-48c3-b878-ff0fccebdd04"
#define UMS           "9aec974b-5b8e-4118-9b92-3186d8002ce5"
#define DBG_PRINT     "13976d09-a327-438c-950b-7f03192815c7"
#define MMCSS         "f8f10121-b617-4a56-868b-9df1b27fe32c"
#define LAST_BRANCH   "99134383-5248-43fc-834b-529454e75df3"
#define JOB           "3282fc76-feed-498e-8aa7-e70f459d430e"
#define WNF           "42695762-ea50-497a-9068-5cbbb35e0b95"
#define CACHE_MANAGER "7687a439-f752-45b8-b741-321aec0f8df9"
#define LOST_EVENT    "6a399ae0-4bc6-4de9-870b-3657f8947e7e"
#define HEAP          "222962ab-6180-4b88-a825-346b75f2a24a"
#define CRIT_SEC      "3ac66736-cc59-4cff-8115-8df50e39816b"
#define THREAD_POOL   "c861d0e2-a2c1-4d36-9f9c-970bab943a12"
#define IMAGE_ID      "b3e675d7-2554-4f18-830b-2762732560de"
#define SYS_CONFIG    "9b79ee91-b5fd-41c0-a243-4248e266e9d0"
#define META_DATA     "bbccf6c1-6cd1-48c4-80ff-839482e37671"
#define WIN_SAT       "ed54dff8-c409-4cf6-bf83-05e1e61a09c4"

typedef struct vector {
    const char *class_guid;
    uint8_t opcode;
    uint8_t version;
    uint32_t pointer_size;
    const char *bytes;
    const char *text;
} vector;

static const vector vectors[] = {
    {EVENT_TRACE, 0, 2, 8,
     "000001000a000105614a000004000000 00507c5fa565d601 5a62020000000000010001003b000000 "
     "010000000800000000000000f7080000 0a00000000000000 0700000000000000 00*176 "
     "0040d78abc64d601809698000000000000c829f53065d601 0100000000000000 L'Relogger' "
     "L'[multiple files]'",
     "EventTrace/Header: BufferSize=65536; Version=83951626; ProviderVersion=19041; "
     "NumberOfProcessors=4; EndTime=132405000000000000; TimerResolution=156250; MaxFileSize=0; "
     "LogFileMode=0x10001; BuffersWritten=59; StartBuffers=1; PointerSize=8; EventsLost=0; "
     "CPUSpeed=2295; LoggerName=0xA; LogFileName=0x7; TimeZoneInformation=(hidden); "
     "BootTime=132404000000000000; PerfFreq=10000000; StartTime=132404500000000000; "
     "ReservedFlags=0x1; BuffersLost=0; SessionNameString=Relogger; "
     "LogFileNameString=[multiple files]"},
    {EVENT_TRACE, 5, 2, 4,
     "070000000000000000000000000000000000000000000000000000000000000046000000",
     "EventTrace/Extension: GroupMask1=0x7; GroupMask2=0x0; GroupMask3=0x0; GroupMask4=0x0; "
     "GroupMask5=0x0; GroupMask6=0x0; GroupMask7=0x0; GroupMask8=0x0; KernelEventVersion=0x46"},
    {EVENT_TRACE, 8, 2, 8, "", "EventTrace/RDComplete:"},
    {EVENT_TRACE, 64, 2, 8, "00112233445566778899aabbccddeeff 01000000 'cldflt.pdb'",
     "EventTrace/DbgIdRSDS: Guid={33221100-5544-7766-8899-aabbccddeeff}; Age=1; "
     "PdbName=cldflt.pdb"},
    {EVENT_TRACE, 80, 2, 8,
     "0000000004000000fbffffffffffffff 00*16 00112233445566778899aabbccddeeff",
     "EventTrace/PartitionInfoExtensionV2: EventVersion=0; Reserved=0; PartitionType=4; "
     "QpcOffsetFromRoot=-5; PartitionId={00000000-0000-0000-0000-000000000000}; "
     "ParentId={33221100-5544-7766-8899-aabbccddeeff}"},
    {EVENT_TRACE, 67, 2, 8, "02000000 00112233445566778899aabbccddeeff 00*16 L'C:\\p.dll'",
     "EventTrace/ProviderBinaryPath: GuidCount=2; Guid={33221100-5544-7766-8899-aabbccddeeff}; "
     "Guid={00000000-0000-0000-0000-000000000000}; BinaryPath=C:\\p.dll"},
    {PROCESS, 1, 4, 8,
     "80801c2f0ea5ffff a4010000040000000000000003010000 00b01a0000000000 01000000 "
     "3412000000000000 0000000000000000 010100000000000512000000 'smss.exe' L'smss -x' L'' L''",
     "Process/Start: UniqueProcessKey=0xFFFFA50E2F1C8080; ProcessId=0x1A4; ParentId=0x4; "
     "SessionId=0; ExitStatus=259; DirectoryTableBase=0x1AB000; Flags=0x1; UserSID=S-1-5-18; "
     "ImageFileName=smss.exe; CommandLine=smss -x; PackageFullName=; ApplicationId="},
    {PROCESS, 1, 3, 4,
     "c0b3a281 080000000400000001000000ffffffff 00000000 34120000 00000000 "
     "010100000000000512000000 'a' L''",
     "Process/Start: UniqueProcessKey=0x81A2B3C0; ProcessId=0x8; ParentId=0x4; SessionId=1; "
     "ExitStatus=-1; DirectoryTableBase=0x0; UserSID=S-1-5-18; ImageFileName=a; CommandLine="},
    {PROCESS, 3, 0, 4, "08000000 00000000 00000000 'System'",
     "Process/DCStart: ProcessId=0x8; ParentId=0x0; UserSID=; ImageFileName=System"},
    {PROCESS, 3, 2, 8, "0100000000000000 0000000000000000ffffffff00000000 00000000 'Idle' L''",
     "Process/DCStart: UniqueProcessKey=0x1; ProcessId=0x0; ParentId=0x0; "
     "SessionId=4294967295; ExitStatus=0; UserSID=; ImageFileName=Idle; CommandLine="},
    {PROCESS, 39, 5, 8,
     "1000000000000000 f0010000580200000000000000000000 0000000000000000 02000000 "
     "3412000000000000 0000000000000000 010100000000000512000000 'b.exe' L'' L'' L'' "
     "0000195194cfd501",
     "Process/Defunct: UniqueProcessKey=0x10; ProcessId=0x1F0; ParentId=0x258; SessionId=0; "
     "ExitStatus=0; DirectoryTableBase=0x0; Flags=0x2; UserSID=S-1-5-18; ImageFileName=b.exe; "
     "CommandLine=; PackageFullName=; ApplicationId=; ExitTime=132240000000000000"},
    {PROCESS, 33, 2, 4,
     "04000000010000000200000000000000 01000000 02000000 03000000 04000000 05000000 06000000 "
     "07000000 08000000 09000000 0a000000 0b000000",
     "Process/PerfCtrRundown: ProcessId=0x4; PageFaultCount=1; HandleCount=2; Reserved=0; "
     "PeakVirtualSize=0x1; PeakWorkingSetSize=0x2; PeakPagefileUsage=0x3; "
     "QuotaPeakPagedPoolUsage=0x4; QuotaPeakNonPagedPoolUsage=0x5; VirtualSize=0x6; "
     "WorkingSetSize=0x7; PagefileUsage=0x8; QuotaPagedPoolUsage=0x9; "
     "QuotaNonPagedPoolUsage=0xA; PrivatePageCount=0xB"},
    {THREAD, 1, 3, 8,
     "f8010000c4130000 0100000000000000 0200000000000000 0300000000000000 0400000000000000 "
     "0f00000000000000 603dbb93f97f0000 0000000000000000 00000000 0d050200 L'pool'",
     "Thread/Start: ProcessId=0x1F8; TThreadId=0x13C4; StackBase=0x1; StackLimit=0x2; "
     "UserStackBase=0x3; UserStackLimit=0x4; Affinity=0xF; Win32StartAddr=0x7FF993BB3D60; "
     "TebBase=0x0; SubProcessTag=0x0; BasePriority=13; PagePriority=5; IoPriority=2; "
     "ThreadFlags=0; ThreadName=pool"},
    {THREAD, 1, 3, 8,
     "0400000008000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
     "ff00000000000000 0000000000000000 0000000000000000 00000000 08050200",
     "Thread/Start: ProcessId=0x4; TThreadId=0x8; StackBase=0x0; StackLimit=0x0; "
     "UserStackBase=0x0; UserStackLimit=0x0; Affinity=0xFF; Win32StartAddr=0x0; TebBase=0x0; "
     "SubProcessTag=0x0; BasePriority=8; PagePriority=5; IoPriority=2; ThreadFlags=0; "
     "ThreadName="},
    {THREAD, 36, 2, 4, "00000000e8030000 000f0100ff0105fe 1000000000000000",
     "Thread/CSwitch: NewThreadId=0x0; OldThreadId=0x3E8; NewThreadPriority=0; "
     "OldThreadPriority=15; PreviousCState=1; SpareByte=0; OldThreadWaitReason=-1; "
     "OldThreadWaitMode=1; OldThreadState=5; OldThreadWaitIdealProcessor=-2; "
     "NewThreadWaitTime=0x10; Reserved=0"},
    {THREAD, 61, 2, 8, "100000000100020008010300",
     "Thread/Thread Migration: ThreadId=0x10; SourceProcessorIndex=1; TargetProcessorIndex=2; "
     "Priority=8; IdealProcessorAdjust=true; OldIdealProcessorIndex=3"},
    {THREAD, 63, 2, 8, "1000000002000000 a000000000000000 b000000000000000",
     "Thread/Kernel Queue Dequeue: ThreadId=0x10; EntryCount=2; Entries=0xA0; Entries=0xB0"},
    {THREAD, 72, 2, 8, "a86600008c390000 L'GC'",
     "Thread/SetName: ProcessId=0x66A8; ThreadId=0x398C; ThreadName=GC"},
    {IMAGE, 10, 3, 8,
     "0000f820f67f0000 0080010000000000 7c1a00007b38020003dd5b760c020000 0000f820f67f0000 "
     "00000000000000000000000000000000 L'\\a.dll'",
     "Image/Load: ImageBase=0x7FF620F80000; ImageSize=0x18000; ProcessId=6780; "
     "ImageChecksum=145531; TimeDateStamp=1985731843; SignatureLevel=12; SignatureType=2; "
     "Reserved0=0; DefaultBase=0x7FF620F80000; Reserved1=0; Reserved2=0; Reserved3=0; "
     "Reserved4=0; FileName=\\a.dll"},
    {IMAGE, 2, 0, 4, "00001601 00e01900 L'C:\\a.exe'",
     "Image/UnLoad: BaseAddress=0x1160000; ModuleSize=1695744; ImageFileName=C:\\a.exe"},
    {IMAGE, 3, 1, 4, "00001601 00e01900 dc1d0000 L'C:\\a.exe'",
     "Image/DCStart: ImageBase=0x1160000; ImageSize=0x19E000; ProcessId=7644; "
     "FileName=C:\\a.exe"},
    {DISK_IO, 10, 3, 8,
     "000000004300000000100000000000000000100000000000 a0000000a0f8ffff 0100000080faffff "
     "a00300000000000048020000",
     "DiskIo/Read: DiskNumber=0; IrpFlags=0x43; TransferSize=4096; Reserved=0; "
     "ByteOffset=1048576; FileObject=0xFFFFF8A0000000A0; Irp=0xFFFFFA8000000001; "
     "HighResResponseTime=928; IssuingThreadId=584"},
    {DISK_IO, 11, 0, 4, "01000000000a060000020000000000000002000000000000 81000000",
     "DiskIo/Write: DiskNumber=1; IrpFlags=0x60A00; TransferSize=512; Reserved=0; "
     "ByteOffset=512; FileObject=0x81"},
    {DISK_IO, 14, 2, 8, "00000000000000005c33010000000000 0200000000000000",
     "DiskIo/FlushBuffers: DiskNumber=0; IrpFlags=0x0; HighResResponseTime=78684; Irp=0x2"},
    {FILE_IO, 64, 3, 8,
     "0100000000000000 0200000000000000 940f0000600000018000000007000000 L'C:\\x'",
     "FileIo/Create: IrpPtr=0x1; FileObject=0x2; TTID=3988; CreateOptions=16777312; "
     "FileAttributes=128; ShareAccess=7; OpenPath=C:\\x"},
    {FILE_IO, 36, 2, 8, "f069dc02a0f8ffff L'\\Device\\HarddiskVolume2\\$Mft'",
     "FileIo/FileRundown: FileObject=0xFFFFF8A002DC69F0; "
     "FileName=\\Device\\HarddiskVolume2\\$Mft"},
    {FILE_IO, 67, 2, 4, "0020000000000000 01000000 02000000 03000000 04000000 0010000000090600",
     "FileIo/Read: Offset=8192; IrpPtr=0x1; TTID=0x2; FileObject=0x3; FileKey=0x4; "
     "IoSize=4096; IoFlags=395520"},
    {SPLIT_IO, 32, 2, 8, "0100000000000000 0200000000000000",
     "SplitIo/VolMgr: ParentIrp=0x1; ChildIrp=0x2"},
    {PAGE_FAULT, 32, 2, 8,
     "0f6ece730000000000307a0000000000 0000f820f67f0000 80faffff00000000 4802000000800000",
     "PageFault/HardFault: InitialTime=1942908431; ReadOffset=0x7A3000; "
     "VirtualAddress=0x7FF620F80000; FileObject=0xFFFFFA80; TThreadId=0x248; ByteCount=32768"},
    {PAGE_FAULT, 12, 1, 4, "00006277 34126277",
     "PageFault/CopyOnWrite: VirtualAddress=0x77620000; ProgramCounter=0x77621234"},
    {PAGE_FAULT, 98, 3, 8, "0000010000000000 0000010000000000 0400000000300000",
     "PageFault/VirtualAlloc: BaseAddress=0x10000; RegionSize=0x10000; ProcessId=4; "
     "Flags=0x3000"},
    {REGISTRY, 11, 2, 8, "40e2010000000000340000c000000000 00a0f8ffff000000 L'Software'",
     "Registry/Open: InitialTime=123456; Status=3221225524; Index=0; KeyHandle=0xFFFFF8A000; "
     "KeyName=Software"},
    {REGISTRY, 10, 0, 4, "00000000 e1000000 fbffffffffffffff L'K'",
     "Registry/Create: Status=0x0; KeyHandle=0xE1; ElapsedTime=-5; KeyName=K"},
    {TCP_IP, 10, 2, 8,
     "04000000b4050000 0a000001 0a000002 01bb c001 010000000200000003000000 0000000000000000",
     "TcpIp/SendIPV4: PID=4; size=1460; daddr=10.0.0.1; saddr=10.0.0.2; dport=443; "
     "sport=49153; startime=1; endtime=2; seqnum=3; connid=0x0"},
    {TCP_IP, 27, 2, 8,
     "0400000054000000 20010db8000000000000000000000001 00000000000000000000000000000001 01bd "
     "fa19 07000000 ab00000000000000",
     "TcpIp/RecvIPV6: PID=4; size=84; daddr=2001:db8::1; saddr=::1; dport=445; sport=64025; "
     "seqnum=7; connid=0xAB"},
    {TCP_IP, 12, 0, 4, "7f000001 7f000001 0050 1f90 0500000006000000",
     "TcpIp/Connect: daddr=127.0.0.1; saddr=127.0.0.1; dport=80; sport=8080; size=5; PID=6"},
    {UDP_IP, 11, 2, 4, "3c080000ad000000 effffffa 0a800075 076c ec19 00000000 00000000",
     "UdpIp/RecvIPV4: PID=2108; size=173; daddr=239.255.255.250; saddr=10.128.0.117; "
     "dport=1900; sport=60441; seqnum=0; connid=0x0"},
    {UDP_IP, 17, 2, 8, "11000300", "UdpIp/Fail: Proto=17; FailureCode=3"},
    {PERF_INFO, 46, 2, 8, "1343432100f8ffff c40e000001005800",
     "PerfInfo/SampleProf: InstructionPointer=0xFFFFF80021434313; ThreadId=3780; Count=1; "
     "Reserved=88"},
    {PERF_INFO, 67, 2, 8, "0f6ece7300000000 55fbe90180f8ffff 01 8100 00",
     "PerfInfo/ISR: InitialTime=1942908431; Routine=0xFFFFF88001E9FB55; ReturnValue=1; "
     "Vector=129; Reserved=0"},
    {PERF_INFO, 68, 1, 4, "6300000000000000 00904d80",
     "PerfInfo/DPC: InitialTime=99; Routine=0x804D9000"},
    {PERF_INFO, 52, 2, 8, "220000c0", "PerfInfo/SysClExit: SysCallNtStatus=0xC0000022"},
    {PERF_INFO, 73, 3, 8, "000000001027000010270000 L'Timer'",
     "PerfInfo/CollectionStart: Source=0; NewInterval=10000; OldInterval=10000; "
     "SourceName=Timer"},
    {PERF_INFO, 48, 2, 8, "02000000 L'Timer' L'TotalIssues'",
     "PerfInfo/PmcCtrConfig: CounterCount=2; CounterName=Timer; CounterName=TotalIssues"},
    {PERF_INFO, 34, 0, 8, "'General'", "PerfInfo/Mark: Message=General"},
    {STACK_WALK, 32, 2, 8, "0f6ece7300000000940f0000c40e0000 1343432100f8ffff bb362fd0f9070000",
     "StackWalk/Stack: EventTimeStamp=1942908431; StackProcess=0xF94; StackThread=3780; "
     "Stack1=0xFFFFF80021434313; Stack2=0x7F9D02F36BB"},
    {STACK_WALK, 36, 2, 4, "e8400383 34126277 78566277",
     "StackWalk/KeyRundown: key=0x830340E8; StackFrame=0x77621234; StackFrame=0x77625678"},
    {STACK_WALK, 37, 2, 8, "6741d17300000000940f0000c40e0000 90ed430383faffff",
     "StackWalk/StackKeyKernel: EventTimeStamp=1943093607; StackProcess=0xF94; "
     "StackThread=3780; StackKey=0xFFFFFA830343ED90"},
    {SYSTEM_CONFIG, 15, 3, 8, "000000000100000003000000 L'ALG' L'Gateway' L'' L'' L''",
     "SystemConfig/Services: ProcessId=0x0; ServiceState=0x1; SubProcessTag=0x3; "
     "ServiceName=ALG; DisplayName=Gateway; ProcessName=; LoadOrderGroup=; SvchostGroup="},
    {SYSTEM_CONFIG, 22, 5, 8,
     "00112233445566778899aabbccddeeff 02000000000000000a20800100000000 L'ACPI\\1' L'Board' "
     "L'' L'\\Device\\1' L'acpi' L'up1' L'up2'",
     "SystemConfig/PnP: ClassGuid={33221100-5544-7766-8899-aabbccddeeff}; UpperFiltersCount=2; "
     "LowerFiltersCount=0; DevStatus=25174026; DevProblem=0; DeviceID=ACPI\\1; "
     "DeviceDescription=Board; FriendlyName=; PdoName=\\Device\\1; ServiceName=acpi; "
     "UpperFilters=up1; UpperFilters=up2"},
    {SYSTEM_CONFIG, 27, 2, 8, "020000001000000011000000",
     "SystemConfig/ProcessorNumber: ProcessorCount=2; ProcessorNumber=0x10; ProcessorNumber=0x11"},
    {SYSTEM_CONFIG, 11, 2, 8,
     "00000000000200003f000000ff000000454100000000000000000000000000000000000000000000 "
     "56004d00 00*508 02000000 0100 430000000000 00*4",
     "SystemConfig/PhyDisk: DiskNumber=0; BytesPerSector=512; SectorsPerTrack=63; "
     "TracksPerCylinder=255; Cylinders=16709; SCSIPort=0; SCSIPath=0; SCSITarget=0; SCSILun=0; "
     "Manufacturer=VM; PartitionCount=2; WriteCacheEnabled=1; Pad=0; BootDriveLetter=C; "
     "Spare=; Spare="},
    {ALPC, 36, 2, 8, "01000000 L'\\RPC Control\\x'",
     "ALPC/ALPC-Wait-For-New-Message: IsServerPort=1; PortName=\\RPC Control\\x"},
    {OBJECT, 39, 2, 8, "80801c2f0ea5ffff 040000001c0000000700 L'\\Device'",
     "Object/HandleDCEnd: Object=0xFFFFA50E2F1C8080; ProcessId=0x4; Handle=0x1C; ObjectType=7; "
     "ObjectName=\\Device"},
    {POOL, 32, 2, 8, "0002000054687265 0010000000000000 0080ffff00000000",
     "Pool/PoolAllocation: Type=512; Tag=0x65726854; NumberOfBytes=0x1000; Entry=0xFFFF8000"},
    {POWER, 51, 2, 8, "01000000020000000300000000000000ff00000000000000",
     "Power/PerfStateChange: Type=1; NewState=2; OldState=3; Result=0x0; Processors=0xFF"},
    {UMS, 32, 2, 8, "01000000020000000300000004000000",
     "UMS/DSwitchStart: ProcessId=0x1; ScheduledThreadId=0x2; PrimaryThreadId=0x3; "
     "SwitchFlags=0x4"},
    {DBG_PRINT, 32, 2, 8, "6500000003000000 'hello'",
     "Debugger/DebugPrint: Component=101; Level=3; Message=hello"},
    {MMCSS, 34, 0, 8, "10000000200000001a00000001000000",
     "MMCSS/Scheduler: ScheduledPID=0x10; ScheduledTID=0x20; SchedulingPriority=26; "
     "TaskIndex=1"},
    {LAST_BRANCH, 32, 2, 8,
     "0100000000000000 10000000 20000000 00000000 00*4 1000000000000000 2000000000000000 00*8",
     "LBR/LbrRecord: TimeStamp=1; ProcessId=0x10; ThreadId=0x20; Options=0x0; "
     "Pad=(hidden); Entries=0x10; Entries=0x20; Entries=0x0"},
    {LAST_BRANCH, 32, 2, 4,
     "0100000000000000 10000000 20000000 00000000 10000000 20000000 00000000",
     "LBR/LbrRecord: TimeStamp=1; ProcessId=0x10; ThreadId=0x20; Options=0x0; "
     "Entries=0x10; Entries=0x20; Entries=0x0"},
    {JOB, 35, 2, 8, "00112233445566778899aabbccddeeff 44000000a401000000000000",
     "Job/AssignProcess: JobId={33221100-5544-7766-8899-aabbccddeeff}; JobHandle=0x44; "
     "UniqueProcessId=0x1A4; Status=0x0"},
    {WNF, 35, 2, 8, "4500bca36d4ec64108000000",
     "WNF/Publish: StateName=0x41C64E6DA3BC0045; DataLength=8"},
    {CACHE_MANAGER, 0, 2, 8, "0100000000000000 0200000000000000 01020100",
     "CacheManager/WorkItemEnqueue: WorkItemKey=0x1; FileObjectKey=0x2; QueueType=1; "
     "WorkItemType=2; Requeue=true; Reserved=0"},
    {LOST_EVENT, 33, 0, 8, "", "LostEvent/RTLostBuffer:"},
    {HEAP, 33, 2, 4, "00003300 18000000 50143300 02000000",
     "Heap/Alloc: HeapHandle=0x330000; AllocSize=0x18; AllocAddress=0x331450; SourceId=2"},
    {CRIT_SEC, 34, 2, 8, "faffffff00000000 1400000000000000 f67f000000000000",
     "CritSec/Collision: LockCount=4294967290; SpinCount=0; OwningThread=0x14; "
     "CritSecAddr=0x7FF6"},
    {THREAD_POOL, 36, 2, 8, "0a00000000000000 01000000",
     "ThreadPool/CBCancel: TaskId=0xA; CancelCount=1"},
    {IMAGE_ID, 0, 2, 8, "0000a06a01f8ffff 0060040100000000 0000000078563412 L'ntkrnlmp.exe'",
     "ImageID/Info: ImageBase=0xFFFFF8016AA00000; ImageSize=0x1046000; ProcessId=0; "
     "TimeDateStamp=305419896; OriginalFileName=ntkrnlmp.exe"},
    {IMAGE_ID, 36, 2, 8,
     "0000a06a01f8ffff 00000000 00112233445566778899aabbccddeeff 01000000 'a.pdb'",
     "ImageID/DbgID_RSDS: ImageBase=0xFFFFF8016AA00000; ProcessId=0; "
     "GuidSig={33221100-5544-7766-8899-aabbccddeeff}; Age=1; PdbFileName=a.pdb"},
    {META_DATA, 33, 0, 8, "00112233445566778899aabbccddeeff 1000",
     "MetaData/EventMapInfo: ProviderGuid={33221100-5544-7766-8899-aabbccddeeff}; "
     "EventMapInfo=0x1000"},
    {WIN_SAT, 33, 0, 8, "01000000 08000000 07303c0061002f003e00",
     "WinSat/WinSPR: Version=1; Size=8; Xml=<a/>"},
    {SYS_CONFIG, 35, 0, 8, "L'\\Device\\HarddiskVolume1\\' L'C:\\'",
     "SysConfig/VolumeMapping: NtPath=\\Device\\HarddiskVolume1\\; DosPath=C:\\"},
    {SYS_CONFIG, 32, 0, 8, "db92311e1755d301 L'26100' L'Windows 10 Home'",
     "SysConfig/BuildInfo: InstallDate=2017-11-04T02:46:30.305045900Z; BuildLab=26100; "
     "ProductName=Windows 10 Home"},
};

/* Payloads that are not what the table says: how much is shown, and what is told. */
static const struct {
    vector record;
    uint32_t left_bytes;
    bool short_payload;
} misfits[] = {
    /* more than the newest layout */
    {{SPLIT_IO, 32, 9, 4, "01000000 02000000 aabbcc",
      "SplitIo/VolMgr: ParentIrp=0x1; ChildIrp=0x2"},
     3,
     false},
    /* ends inside a property, behind a whole one */
    {{SPLIT_IO, 32, 2, 8, "0100000000000000 02000000", "SplitIo/VolMgr: ParentIrp=0x1"}, 4, true},
    /* ends inside a stack frame */
    {{STACK_WALK, 36, 2, 4, "01000000 02000000 0300",
      "StackWalk/KeyRundown: key=0x1; StackFrame=0x2"},
     2,
     true},
    /* ends behind a property: what Windows added later is absent */
    {{DISK_IO, 12, 3, 8, "0100000000000000", "DiskIo/ReadInit: Irp=0x1"}, 0, false},
    /* nothing at all is not an event of that class */
    {{SPLIT_IO, 32, 2, 8, "", "SplitIo/VolMgr:"}, 0, true},
    /* a TOKEN_USER without its SID */
    {{PROCESS, 1, 0, 4, "08000000 00000000 01000000 00000000",
      "Process/Start: ProcessId=0x8; ParentId=0x0"},
     8,
     true},
    /* a SID that claims more sub-authorities than there are bytes */
    {{PROCESS, 1, 0, 4, "08000000 00000000 01000000 00000000 01ff000000000005 12000000",
      "Process/Start: ProcessId=0x8; ParentId=0x0"},
     20,
     true},
};

typedef struct fixture {
    etw_schema_source *source;
    etw_schema_store *store;
    etw_plan_cache *plans;
    etw_text text;
} fixture;

static int set_up(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    *state = made;
    if (made == NULL) {
        return 1;
    }
    made->source = etw_classic_source_new();
    made->store = etw_schema_store_new();
    made->plans = etw_plan_cache_new();
    return made->source == NULL || made->store == NULL || made->plans == NULL;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    made->source->free(made->source);
    etw_plan_cache_free(made->plans);
    etw_schema_store_free(made->store);
    etw_text_free(&made->text);
    free(made);
    return 0;
}

static unsigned hex_digit(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a' + 10);
}

/* One token of vector.bytes, written to the end of out; returns what follows it. */
static const char *add_bytes(const char *at, etw_text *out)
{
    const size_t unit = *at == 'L' ? 2 : 1;
    if (*at == 'L' || *at == '\'') {
        for (at += unit; *at != '\''; at++) {
            etw_text_append(out, (const char[2]){*at, 0}, unit);
        }
        etw_text_append(out, (const char[2]){0, 0}, unit);
        return at + 1;
    }
    if (strncmp(at, "00*", 3) == 0) {
        char *end;
        for (long count = strtol(at + 3, &end, 10); count > 0; count--) {
            etw_text_append_char(out, '\0');
        }
        return end;
    }
    etw_text_append_char(out, (char)(hex_digit(at[0]) << 4 | hex_digit(at[1])));
    return at + 2;
}

static void make_bytes(const char *at, etw_text *out)
{
    while (*at != '\0') {
        at = *at == ' ' ? at + 1 : add_bytes(at, out);
    }
    assert_false(out->failed);
}

static etw_status append_value(void *context, const etw_value *value)
{
    etw_text *text = context;
    etw_text_append_z(text, text->data[text->size - 1] == ':' ? " " : "; ");
    etw_text_append_z(text, etw_property_name(value->property)->utf8);
    etw_text_append_char(text, '=');
    if (etw_property_out_type(value->property) == ETW_OUT_NOPRINT) {
        etw_text_append_z(text, "(hidden)");
    } else {
        assert_true(etw_value_append_text(value, 0, ETW_ESCAPE_NONE, text));
    }
    return ETW_OK;
}

static etw_walk_end render(fixture *in, const vector *record_text)
{
    etw_text bytes = {0};
    make_bytes(record_text->bytes, &bytes);
    etw_event_record record = {.UserData = bytes.data, .UserDataLength = (uint16_t)bytes.size};
    assert_true(etw_guid_parse(record_text->class_guid, &record.EventHeader.ProviderId));
    record.EventHeader.EventDescriptor.Opcode = record_text->opcode;
    record.EventHeader.EventDescriptor.Version = record_text->version;
    const etw_schema *schema = NULL;
    assert_int_equal(
        in->source->find(in->source, in->store, &record, record_text->pointer_size, &schema, NULL),
        ETW_OK);
    const etw_plan *plan = etw_plan_cache_get(in->plans, schema, NULL);
    assert_non_null(plan);
    static const etw_visitor visitor = {.value = append_value};
    etw_walk_end end;
    etw_text_clear(&in->text);
    etw_text_printf(&in->text, "%s/%s:", etw_plan_task_name(plan)->utf8,
                    etw_plan_opcode_name(plan)->utf8);
    assert_int_equal(
        etw_plan_walk(plan, &record, record_text->pointer_size, &visitor, &in->text, &end), ETW_OK);
    etw_text_free(&bytes);
    return end;
}

/* Gives why the walk ended early, if it did. */
static const char *expect(fixture *in, const vector *record, uint32_t left_bytes,
                          bool short_payload)
{
    const etw_walk_end end = render(in, record);
    assert_string_equal(etw_text_z(&in->text), record->text);
    assert_int_equal(end.left_bytes, left_bytes);
    assert_int_equal(end.short_payload, short_payload);
    return end.reason;
}

static void shows_each_class_to_the_last_byte(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        assert_null(expect(*state, &vectors[i], 0, false));
    }
}

static void tells_of_payloads_that_do_not_fit(void **state)
{
    for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++) {
        (void)expect(*state, &misfits[i].record, misfits[i].left_bytes, misfits[i].short_payload);
    }
}

static void has_a_vector_for_every_class(void **state)
{
    (void)state;
    etw_classic_kind kind;
    for (uint32_t i = 0; etw_classic_kind_at(i, &kind); i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof vectors / sizeof vectors[0] && !found; j++) {
            etw_guid guid;
            assert_true(etw_guid_parse(vectors[j].class_guid, &guid));
            found = etw_guid_equal(&guid, &kind.class_guid);
        }
        assert_true(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_each_class_to_the_last_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_payloads_that_do_not_fit, set_up, tear_down),
        cmocka_unit_test(has_a_vector_for_every_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
