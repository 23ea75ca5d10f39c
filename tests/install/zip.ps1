# Tries the zip of `scons zip` on a Windows that has nothing of this project:
#
#     powershell -ExecutionPolicy Bypass -File zip.ps1 -Zip etwcap-VERSION-win64.zip -Checkout FOLDER
#
# It is unpacked, the tools replay, record and compare a trace of the tests, and README's consumer is built from its files
# alone, where gcc of mingw-w64 is installed. Ends with the number of steps that failed.
param([Parameter(Mandatory)][string]$Zip, [Parameter(Mandatory)][string]$Checkout)
$ErrorActionPreference = 'Stop'
$work = Join-Path ([IO.Path]::GetTempPath()) ('etwcap-' + [guid]::NewGuid())
$failed = 0

function Try-Step([string]$name, [scriptblock]$step) {
    try {
        & $step
        Write-Host "ok      $name"
    } catch {
        Write-Host "FAILED  $name`: $_"
        $script:failed++
    }
}

function Need-Success([string]$what) {
    if ($LASTEXITCODE -ne 0) { throw "$what ended with status $LASTEXITCODE" }
}

Expand-Archive -Path $Zip -DestinationPath $work
$home_ = (Get-ChildItem -Directory $work)[0].FullName
$record = Join-Path $home_ 'bin\etw-record.exe'
$replay = Join-Path $home_ 'bin\etw-replay.exe'
$trace = Join-Path $Checkout 'tests\golden\plain.etwcap'
$again = Join-Path $work 'again.etwcap'

Try-Step 'the tools start' {
    & $record --version; Need-Success 'etw-record'
    & $replay --version; Need-Success 'etw-replay'
}
Try-Step 'events are those of the tests' {
    $found = @(& $replay --typed --schema-hash --no-process-names $trace); Need-Success 'etw-replay'
    $wanted = @(Get-Content (Join-Path $Checkout 'tests\golden\plain.ndjson'))
    if ($found.Count -ne $wanted.Count) { throw "$($found.Count) lines, not $($wanted.Count)" }
}
Try-Step 'a recording is the same' {
    & $record --input $trace -o $again; Need-Success 'etw-record'
    & $replay diff $trace $again; Need-Success 'etw-replay diff'
}
Try-Step 'the README''s consumer builds and runs' {
    if ($null -eq (Get-Command gcc -ErrorAction SilentlyContinue)) { Write-Host 'gcc is not installed'; return }
    $text = [IO.File]::ReadAllText((Join-Path $Checkout 'README.md'))
    $source = [regex]::Match($text, '(?s)```c\r?\n(.*?)```').Groups[1].Value
    [IO.File]::WriteAllText((Join-Path $work 'dns.c'), $source)
    & gcc (Join-Path $work 'dns.c') -I (Join-Path $home_ 'include') -L (Join-Path $home_ 'lib') -letwcap -o (Join-Path $work 'dns.exe')
    Need-Success 'gcc'
    Copy-Item (Join-Path $home_ 'bin\etwcap.dll') $work
    & (Join-Path $work 'dns.exe') $trace; Need-Success 'the consumer'
}
Remove-Item -Recurse -Force $work
exit $failed
