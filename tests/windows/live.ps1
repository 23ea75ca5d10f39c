# Live recording on a real Windows: each case records something that this script itself makes happen, and looks at what
# was recorded. Run as an administrator, see recorder/RUN-ON-WINDOWS.md.
#
#     powershell -ExecutionPolicy Bypass -File live.ps1 -Tools C:\etw -Results C:\etw\results
param(
    [Parameter(Mandatory = $true)][string]$Tools,
    [Parameter(Mandatory = $true)][string]$Results,
    [string]$Only = ''
)
$ErrorActionPreference = 'Stop'
$Tools = (Resolve-Path $Tools).Path
New-Item -ItemType Directory -Force $Results | Out-Null
$Results = (Resolve-Path $Results).Path
$record = Join-Path $Tools 'etw-record.exe'
$replay = Join-Path $Tools 'etw-replay.exe'
$script:failures = 0
$summary = Join-Path $Results 'summary.txt'

function Say([string]$line) {
    Write-Host $line
    Add-Content -Encoding UTF8 $summary $line
}

function Output([string]$name) { Join-Path $Results ($name + '.etwcap') }

function Need([bool]$condition, [string]$otherwise) {
    if (-not $condition) { throw $otherwise }
}

# Starts the recorder; its messages go to NAME.log. Without -Rundown the events are those that came alone.
function Start-Recorder([string]$name, [string[]]$arguments, [switch]$Rundown) {
    if (-not $Rundown) { $arguments += '--no-rundown' }
    $quoted = $arguments | ForEach-Object { if ($_ -match ' ') { '"' + $_ + '"' } else { $_ } }
    $process = Start-Process -PassThru -NoNewWindow -FilePath $record -ArgumentList $quoted `
        -RedirectStandardError (Join-Path $Results ($name + '.log')) -RedirectStandardOutput (Join-Path $Results ($name + '.out'))
    $null = $process.Handle # else the exit code is not kept
    $process
}

function Wait-Recorder($process, [int[]]$expected = @(0)) {
    Need ($process.WaitForExit(60000)) 'the recorder did not end within a minute'
    Need ($expected -contains $process.ExitCode) ('exit status ' + $process.ExitCode)
}

function Count-Events([string]$path, [string[]]$options = @()) {
    @(& $replay $path @options 2>$null | Where-Object { $_ -match '"ProviderId"' }).Count
}

function Test-Verified([string]$path) {
    & $replay verify $path 2>&1 | Out-File -Encoding utf8 ($path + '.verify.txt')
    Need ($LASTEXITCODE -eq 0 -or $LASTEXITCODE -eq 3) ('verify: exit status ' + $LASTEXITCODE)
}

# Ctrl+C, sent from a process that has left its own console for the recorder's.
function Send-CtrlC($process) {
    $code = '$s = ''[DllImport("kernel32")] public static extern bool FreeConsole();' +
        '[DllImport("kernel32")] public static extern bool AttachConsole(uint p);' +
        '[DllImport("kernel32")] public static extern bool SetConsoleCtrlHandler(IntPtr h, bool a);' +
        '[DllImport("kernel32")] public static extern bool GenerateConsoleCtrlEvent(uint e, uint g);'';' +
        '$t = Add-Type -MemberDefinition $s -Name C -PassThru; $null = $t::FreeConsole();' +
        'if (-not $t::AttachConsole(' + $process.Id + ')) { exit 1 };' +
        '$null = $t::SetConsoleCtrlHandler([IntPtr]::Zero, $true); $null = $t::GenerateConsoleCtrlEvent(0, 0)'
    $encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($code))
    Start-Process -Wait -WindowStyle Hidden powershell -ArgumentList '-NoProfile', '-EncodedCommand', $encoded
}

function Make-Dns { 1..5 | ForEach-Object { Resolve-DnsName -Name ('etwcap-' + $_ + '.invalid') -ErrorAction SilentlyContinue | Out-Null } }

function Make-Processes { 1..5 | ForEach-Object { Start-Process -Wait -WindowStyle Hidden cmd.exe -ArgumentList '/c', 'ver' } }

$dns = 'Microsoft-Windows-DNS-Client'

function Case-Dns {
    $r = Start-Recorder 'dns' @('--provider', $dns, '--max-duration', '8s', '-f', '-o', (Output 'dns'))
    Start-Sleep 2; Clear-DnsClientCache; Make-Dns
    Wait-Recorder $r
    Need ((Count-Events (Output 'dns')) -ge 5) 'too few events'
    Need (@(& $replay (Output 'dns') | Where-Object { $_ -match 'etwcap-1\.invalid' }).Count -gt 0) 'the name looked up is in no event'
    Test-Verified (Output 'dns')
}

function Case-TraceLogging {
    $r = Start-Recorder 'tracelogging' @('--provider', '*Etwcap-Live-Test', '--max-events', '20', '--max-duration', '20s', '-f', '-o', (Output 'tracelogging'))
    Start-Sleep 1; & (Join-Path $Tools 'tracelogging_provider_windows.exe') 5
    Wait-Recorder $r
    Need (@(& $replay (Output 'tracelogging') | Where-Object { $_ -match '"EventName":"Counted"' -and $_ -match '"Number":' }).Count -ge 10) 'no decoded events'
    Test-Verified (Output 'tracelogging')
}

function Case-Kernel {
    $r = Start-Recorder 'kernel' @('--kernel', 'PROCESS,IMAGE_LOAD,PROFILE', '--max-duration', '6s', '-f', '-o', (Output 'kernel'))
    Start-Sleep 1; Make-Processes
    Wait-Recorder $r @(0, 3)
    Need ((Count-Events (Output 'kernel')) -gt 100) 'too few events'
    Test-Verified (Output 'kernel')
}

function Case-SystemProvider {
    # SystemProcessProviderGuid: build 20348 and later.
    $r = Start-Recorder 'system' @('--system-logger', '--provider', '{151f55dc-467d-471f-83b5-5f889d46ff66}', '--max-duration', '6s', '-f', '-o', (Output 'system'))
    Start-Sleep 1; Make-Processes
    Wait-Recorder $r @(0, 3)
    Need ((Count-Events (Output 'system')) -gt 5) 'too few events'
    Test-Verified (Output 'system')
}

function Case-KernelGroups {
    $r = Start-Recorder 'groups' @('--kernel', 'Base,POWER', '--max-duration', '6s', '-f', '-o', (Output 'groups'))
    Start-Sleep 1; Make-Processes
    Wait-Recorder $r @(0, 3)
    Need (@(& $replay (Output 'groups') | Where-Object { $_ -match '"EventName":"(PageFault|Power)/' -or $_ -match 'e43445e0' }).Count -gt 0) 'no event of MEMINFO or POWER'
    Test-Verified (Output 'groups')
}

function Case-Counters {
    # Virtual machines may have no counters: then the list has the timer alone, and there is nothing to see.
    $list = @(& $record --list-counters)
    $list | Out-File -Encoding utf8 (Join-Path $Results 'counters.txt')
    Need ($LASTEXITCODE -eq 0 -and $list.Count -ge 1) 'the counters could not be listed'
    if (@($list | Where-Object { $_ -match '^TotalCycles' }).Count -eq 0) { return }
    $r = Start-Recorder 'counters' @('--kernel', 'CSWITCH', '--counters', 'TotalCycles', '--max-duration', '3s', '-f', '-o', (Output 'counters'))
    Wait-Recorder $r @(0, 3)
    Need (@(& $replay (Output 'counters') | Where-Object { $_ -match '"PmcCounters"' }).Count -gt 0) 'no event has counters'
}

function Case-Boot {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\WMI\Autologger\EtwcapLiveTest'
    & $record --boot install --provider $dns --session EtwcapLiveTest 2>&1 | Out-File -Encoding utf8 (Join-Path $Results 'boot.txt')
    Need ($LASTEXITCODE -eq 0 -and (Get-ItemProperty $key).Start -eq 1) 'the session of the boot is not set up'
    & $record --boot remove --session EtwcapLiveTest 2>&1 | Out-File -Append -Encoding utf8 (Join-Path $Results 'boot.txt')
    Need ($LASTEXITCODE -eq 0 -and -not (Test-Path $key)) 'the session of the boot is still set up'
}

function Case-Rundown {
    $r = Start-Recorder 'rundown' @('--provider', $dns, '--max-duration', '4s', '-f', '-o', (Output 'rundown')) -Rundown
    Wait-Recorder $r
    $events = @(& $replay (Output 'rundown') | ConvertFrom-Json)
    $lsass = @($events | Where-Object { $_.EventName -eq 'Process/DCStart' -and $_.EventProperties.ImageFileName -eq 'lsass.exe' })
    Need ($lsass.Count -eq 1 -and $lsass[0].EventProperties.UserSID -eq 'S-1-5-18') 'no lsass.exe, or not its user'
    Need (@($events | Where-Object { $_.EventName -eq 'Image/DCStart' -and $_.EventProperties.ProcessId -eq '0' }).Count -gt 50) 'too few drivers'
    Need (@($events | Where-Object { $_.EventName -eq 'ImageID/DbgID_RSDS' }).Count -gt 100) 'too few PDBs'
    # Protected: no snapshot tells its images, only the kernel does.
    $csrss = @($events | Where-Object { $_.EventName -eq 'Process/DCStart' -and $_.EventProperties.ImageFileName -eq 'csrss.exe' })
    Need ($csrss.Count -gt 0) 'no csrss.exe'
    $id = [string][Convert]::ToUInt32($csrss[0].EventProperties.ProcessId, 16)
    Need (@($events | Where-Object { $_.EventName -eq 'Image/DCStart' -and $_.EventProperties.ProcessId -eq $id }).Count -gt 3) 'no images of csrss.exe'
    Need (-not (Select-String -Quiet -Path (Join-Path $Results 'rundown.log') -Pattern 'those of snapshots')) 'no session of the kernel'
    Need (@($events | Where-Object { $_.EventProperties.CommandLine -match 'etw-record' }).Count -gt 0) 'no command line of the recorder'
    $running = @(Get-CimInstance Win32_Service | Where-Object { $_.State -eq 'Running' }).Count
    Need (@($events | Where-Object { $_.EventName -eq 'SystemConfig/Services' }).Count -gt $running / 2) 'too few services'
    Need (@($events | Where-Object { $_.EventName -eq 'Process/DCStart' -and $_.ExtendedInfo.ProcessStartKey -gt 0 }).Count -gt 5) 'too few start keys'
    Test-Verified (Output 'rundown')
}

function Case-Attach {
    $owner = Start-Recorder 'attach-owner' @('--session', 'etwcap test', '--provider', $dns, '--max-duration', '12s', '-f', '-o', (Output 'attach-owner'))
    Start-Sleep 2
    $r = Start-Recorder 'attach' @('--attach', 'etwcap test', '--max-duration', '6s', '-f', '-o', (Output 'attach'))
    Start-Sleep 2; Clear-DnsClientCache; Make-Dns
    Wait-Recorder $r
    Need (@(& $record --list-sessions | Where-Object { $_ -match 'etwcap test' }).Count -eq 1) 'the session has ended'
    Wait-Recorder $owner
    Need ((Count-Events (Output 'attach')) -ge 5) 'too few events'
}

function Case-Stacks {
    $r = Start-Recorder 'stacks' @('--provider', 'Microsoft-Windows-Kernel-Process', '--enable', 'stack', '--max-duration', '6s', '-f', '-o', (Output 'stacks'))
    Start-Sleep 1; Make-Processes
    Wait-Recorder $r @(0, 3)
    Need (@(& $replay (Output 'stacks') | Where-Object { $_ -match '"StackTrace"' }).Count -gt 0) 'no event has a stack'
    Test-Verified (Output 'stacks')
}

function Case-Service {
    $line = '"' + $record + '" --service --no-rundown --provider ' + $dns + ' -f -o "' + (Output 'service') + '"'
    New-Service -Name etwcap-test -BinaryPathName $line -StartupType Manual | Out-Null
    try {
        Start-Service etwcap-test; Start-Sleep 2; Clear-DnsClientCache; Make-Dns; Start-Sleep 2; Stop-Service etwcap-test
    } finally {
        sc.exe delete etwcap-test | Out-Null
    }
    Need ((Count-Events (Output 'service')) -gt 0) 'no events'
    Test-Verified (Output 'service')
}

function Case-CtrlC {
    foreach ($times in 1, 2) {
        $name = 'ctrlc' + $times
        $r = Start-Process -PassThru -WindowStyle Hidden -FilePath $record -ArgumentList ('--provider ' + $dns + ' --session ' + $name + ' -f -o "' + (Output $name) + '"')
        $null = $r.Handle
        Start-Sleep 3; Clear-DnsClientCache; Make-Dns
        1..$times | ForEach-Object { Send-CtrlC $r }
        Need ($r.WaitForExit(30000)) 'Ctrl+C does not end it'
        if ($times -eq 1) { Need ($r.ExitCode -eq 0) ('exit status ' + $r.ExitCode); Test-Verified (Output $name) }
        Need (@(& $record --list-sessions | Where-Object { $_ -match $name }).Count -eq 0) 'the session is still there'
    }
}

function Case-KillAndReclaim {
    $r = Start-Recorder 'killed' @('--provider', $dns, '-f', '-o', (Output 'killed'))
    Start-Sleep 3; Clear-DnsClientCache; Make-Dns; Start-Sleep 2
    Stop-Process -Force -Id $r.Id; Start-Sleep 1
    & $record --reclaim
    Need (@(& $record --list-sessions | Where-Object { $_ -match ('etwcap-' + $r.Id) }).Count -eq 0) 'the session is still there'
    & $replay recover (Output 'killed') -f -o (Output 'killed-recovered') 2>$null
    Need ((Count-Events (Output 'killed-recovered')) -gt 0) 'nothing was recovered'
}

function Case-RingWithAReader {
    $r = Start-Recorder 'ring' @('--kernel', 'PROCESS,THREAD,IMAGE_LOAD,CSWITCH', '--rotate-size', '200k', '--ring', '2', '--max-duration', '15s', '-f', '-o', (Output 'ring'))
    $first = Join-Path $Results 'ring-0001.etwcap'
    while (-not (Test-Path $first)) { Start-Sleep -Milliseconds 50; Need (-not $r.HasExited) 'the recorder has ended' }
    $held = [IO.File]::Open($first, 'Open', 'Read', 'ReadWrite')
    try { Start-Sleep 8 } finally { $held.Close() }
    Wait-Recorder $r @(0, 3)
    Need (@(Get-ChildItem $Results -Filter 'ring-*.etwcap').Count -le 3) 'the ring has grown'
    Get-ChildItem $Results -Filter 'ring-*.etwcap' | ForEach-Object { Test-Verified $_.FullName }
}

function Case-LongPath {
    $folder = '\\?\' + (Join-Path $Results ('long-' + 'x' * 200))
    [IO.Directory]::CreateDirectory($folder) | Out-Null
    $file = Join-Path $folder ('y' * 60 + '.etwcap')
    $r = Start-Recorder 'longpath' @('--provider', $dns, '--max-duration', '3s', '-f', '-o', $file)
    Wait-Recorder $r
    & $replay verify $file 2>$null
    Need ($LASTEXITCODE -eq 0) ('verify: exit status ' + $LASTEXITCODE)
}

function Case-Times {
    $before = [DateTime]::UtcNow
    $r = Start-Recorder 'times' @('--provider', $dns, '--max-duration', '5s', '-f', '-o', (Output 'times'))
    Start-Sleep 2; Clear-DnsClientCache; Make-Dns
    Wait-Recorder $r
    $after = [DateTime]::UtcNow
    $seen = @(& $replay (Output 'times') | Where-Object { $_ -match '"TimeStamp":"([^"]+)"' } | ForEach-Object {
            [DateTime]::Parse($Matches[1], [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal') })
    Need ($seen.Count -gt 0) 'no events'
    Need (@($seen | Where-Object { $_ -lt $before.AddSeconds(-2) -or $_ -gt $after.AddSeconds(2) }).Count -eq 0) 'a time is not that of the recording'
}

function Case-Print {
    $r = Start-Recorder 'print' @('--provider', $dns, '--print=text', '--max-duration', '5s')
    Start-Sleep 2; Clear-DnsClientCache; Make-Dns
    Wait-Recorder $r
    Need ((Get-Item (Join-Path $Results 'print.out')).Length -gt 0) 'nothing was printed'
}

function Case-Oracle {
    $r = Start-Recorder 'oracle' @('--oracle', '5', '--provider', $dns, '--provider', 'Microsoft-Windows-Kernel-Process',
        '--provider', 'Microsoft-Windows-WMI-Activity', '--provider', 'Microsoft-Windows-TCPIP', '--max-duration', '10s', '-f', '-o', (Output 'oracle'))
    Start-Sleep 2; Clear-DnsClientCache; Make-Dns; Make-Processes
    Get-CimInstance Win32_OperatingSystem | Out-Null
    Wait-Recorder $r @(0, 3)
    Test-Verified (Output 'oracle') # its report says where TDH's text and ours differ
}

function Case-TdhProbe {
    & (Join-Path $Tools 'tdh_probe_windows.exe') | Out-File -Encoding utf8 (Join-Path $Results 'tdh_probe.txt')
    Need ($LASTEXITCODE -eq 0) ('exit status ' + $LASTEXITCODE)
}

function Case-UnitTests {
    foreach ($test in Get-ChildItem $Tools -Filter 'test_*.exe') {
        & $test.FullName 2>&1 | Out-File -Encoding utf8 (Join-Path $Results ($test.BaseName + '.txt'))
        Need ($LASTEXITCODE -eq 0) ($test.BaseName + ': exit status ' + $LASTEXITCODE)
    }
}

$cases = 'UnitTests', 'Dns', 'TraceLogging', 'Kernel', 'KernelGroups', 'Counters', 'SystemProvider', 'Rundown', 'Attach', 'Stacks', 'Service', 'CtrlC',
    'KillAndReclaim', 'Boot', 'RingWithAReader', 'LongPath', 'Times', 'Print', 'Oracle', 'TdhProbe'

Say ((Get-CimInstance Win32_OperatingSystem).Caption + ', ' + [Environment]::OSVersion.Version + ', ' + $env:PROCESSOR_ARCHITECTURE + ', ' + (& $record --version))
Push-Location $Results # tests leave their files in the folder they run in
foreach ($case in $cases) {
    if ($Only -ne '' -and $case -ne $Only) { continue }
    try {
        & ('Case-' + $case)
        Say ('passed  ' + $case)
    } catch {
        $script:failures++
        Say ('FAILED  ' + $case + ': ' + $_)
    }
}
Pop-Location
exit $script:failures
