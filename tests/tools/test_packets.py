"""Network packets out of traces of PktMon and NDIS-PacketCapture: read by tshark."""
import struct
import subprocess

import pytest
from conftest import need_program
from etlwriter import Trace, utf16z

PKTMON, NDIS = "{4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac}", "{2ed6006e-4729-4609-b423-3ee7bcd678ef}"
IN, OUT = 1, 2
ETHERNET, WIFI, IP = 1, 2, 3
START, END, SEND, IS_WIFI = 0x40000000, 0x80000000, 0x100000000, 0x10000
MAC = bytes.fromhex("02aabbccdd01")


def tcp(number=1):
    """An IPv4 packet with a TCP segment; checksums are not asked for."""
    segment = struct.pack(">HHIIHHHH", 1000 + number, 443, 1, 0, 0x5010, 1000, 0, 0) + b"data"
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])) + segment


def ethernet(packet):
    return MAC + bytes.fromhex("02aabbccdd02") + b"\x08\x00" + packet


def wifi(packet, protected=True):
    """A QoS data frame as drivers give it: the body is plain, and the Protected bit stays."""
    header = bytes([0x88, 0x42 if protected else 0x02]) + b"\0\0" + MAC + MAC + bytes.fromhex("02aabbccdd02") + b"\0\0" + b"\0\0"
    return header + bytes.fromhex("aaaa03000000") + b"\x08\x00" + packet


def pktmon(trace, frame, component, *, group, appearance, edge=1, number=1, kind=ETHERNET, direction=IN, reason=0, **more):
    data = struct.pack("<QHHHHHHHIIHH", group, number, appearance, direction, kind, component, edge, 0, reason, 0xE0004138,
                       len(frame), len(frame)) + frame
    trace.event(PKTMON, id=170 if reason else 160, data=data, **more)


def component(trace, number, kind, name, *, adapter=0, own=0):
    trace.event(PKTMON, id=20, data=struct.pack("<HH", number, kind) + utf16z(name) + utf16z(name + " description"))
    if own:
        trace.event(PKTMON, id=30, data=struct.pack("<HHI", number, 1, own))
    if adapter:
        trace.event(PKTMON, id=30, data=struct.pack("<HHI", number, 2, adapter))
    trace.event(PKTMON, id=70, data=struct.pack("<HHI", number, 6, 6) + MAC)
    trace.event(PKTMON, id=80, data=struct.pack("<HHQQHQQ", number, IN, 3, 300, OUT, 4, 400))


def rundown(trace):
    """What stands behind the packets: an adapter with a filter and a protocol above it."""
    component(trace, 7, 2, "adapter.sys", own=12)
    component(trace, 8, 3, "filter.sys", adapter=12)
    component(trace, 9, 4, "protocol.sys", adapter=12)


def frames(tool, trace, tmp_path, *options, fields=("frame.protocols",)):
    tshark = need_program("tshark")
    trace.write(tmp_path / "a.etl")
    tool("etw-replay", "export", tmp_path / "a.etl", "-f", "-q", "--packets", *options, "-o", tmp_path / "a.pcapng")
    words = [tshark, "-r", str(tmp_path / "a.pcapng"), "-T", "fields", "-E", "separator=|"]
    for name in fields + ("_ws.malformed",):
        words += ["-e", name]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, text=True)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert not any(row[-1] for row in rows), rows
    return [tuple(row[:-1]) for row in rows]


@pytest.mark.parametrize("appearance, groups", [(1, "shared"), (0, "fresh")])
def test_one_copy_of_each_packet_is_written(tool, tmp_path, appearance, groups):
    trace = Trace()
    for packet in range(3):
        for place, where in enumerate((7, 8, 9)):
            group = packet if groups == "shared" else 10 * packet + place
            pktmon(trace, ethernet(tcp(packet)), where, group=group + 100, appearance=appearance * (place + 1))
    rundown(trace)
    names = ("frame.interface_name", "frame.packet_flags_direction", "tcp.srcport")
    assert frames(tool, trace, tmp_path, fields=names) == [("adapter.sys", "0x00000001", str(1000 + packet)) for packet in range(3)]
    assert len(frames(tool, trace, tmp_path, "--all-components")) == 9


def test_ethernet_that_is_called_wifi_is_ethernet_and_plain_bodies_are_shown(tool, tmp_path):
    trace = Trace()
    pktmon(trace, wifi(tcp(1)), 7, group=1, appearance=1, kind=WIFI)
    pktmon(trace, ethernet(tcp(2)), 8, group=2, appearance=1, kind=WIFI, direction=OUT)
    pktmon(trace, tcp(3), 9, group=3, appearance=1, kind=IP)
    rundown(trace)
    rows = frames(tool, trace, tmp_path, fields=("frame.protocols", "tcp.srcport", "frame.packet_flags_direction"))
    assert [row[1:] for row in rows] == [("1001", "0x00000001"), ("1002", "0x00000002"), ("1003", "0x00000001")]
    assert [row[0].split(":")[0] for row in rows] == ["wlan", "eth", "raw"]


def test_a_frame_that_no_version_of_wifi_has_is_ethernet_whatever_its_type(tool, tmp_path):
    trace = Trace()
    pktmon(trace, b"\xff" * 6 + bytes.fromhex("02aabbccdd02") + b"\x83\x00" + bytes(50), 7, group=1, appearance=1, kind=WIFI)
    rundown(trace)
    assert frames(tool, trace, tmp_path, fields=("eth.dst", "eth.type")) == [("ff:ff:ff:ff:ff:ff", "0x8300")]


@pytest.mark.parametrize("appearance", [1, 0])
def test_a_dropped_packet_says_why_and_is_no_packet_more(tool, tmp_path, appearance):
    trace = Trace()
    pktmon(trace, ethernet(tcp(1)), 7, group=1, appearance=appearance)
    for reason in (1206, 1204, 909):
        pktmon(trace, tcp(1), 9, group=1 if appearance else reason, appearance=2 * appearance, kind=IP, reason=reason, edge=0)
    pktmon(trace, tcp(5), 9, group=9, appearance=appearance, kind=IP, reason=77, edge=0)
    rundown(trace)
    rows = frames(tool, trace, tmp_path, fields=("tcp.srcport", "frame.verdict.ebpf_xdp", "frame.comment"))
    assert [row[:2] for row in rows] == [("1001", "1"), ("1005", "1")]
    assert rows[0][2].startswith("dropped: reason 1206, location 0xE0004138, by component 9 protocol.sys")
    assert "reason 77" in rows[1][2]


def test_fragments_are_put_together(tool, tmp_path):
    trace = Trace()

    def part(data, keyword, tid, **more):
        trace.event(NDIS, id=1001, data=struct.pack("<III", 12, 12, len(data)) + data + more.pop("rest", b""), keyword=keyword, tid=tid, **more)

    whole = ethernet(tcp(1))
    part(whole[:20], START, 1)
    part(ethernet(tcp(2)), START | END | SEND, 2, rest=bytes(16))  # Gft fields of newer builds
    part(whole[20:40], 0, 1)
    part(b"end without start", END, 3)
    part(whole[40:], END, 1)
    part(wifi(tcp(3)), START | END | IS_WIFI, 1)
    assert frames(tool, trace, tmp_path, fields=("tcp.srcport", "frame.interface_name", "frame.packet_flags_direction")) == [
        ("1002", "eth:12", "0x00000002"), ("1001", "eth:12", "0x00000001"), ("1003", "wifi:12", "0x00000001")]


def test_packets_of_the_virtual_switch_are_named_by_their_port(tool, tmp_path):
    trace = Trace()
    frame = ethernet(tcp(1))
    ports = utf16z("port") + utf16z("vm one") + utf16z("synthetic")
    data = struct.pack("<III", 5, 6, 1) + ports + struct.pack("<I", 2) + 2 * (struct.pack("<I", 3) + ports)
    trace.event(NDIS, id=1003, data=data + struct.pack("<I", len(frame)) + frame + struct.pack("<I", 0), keyword=START | END)
    assert frames(tool, trace, tmp_path, fields=("tcp.srcport", "frame.interface_name")) == [("1001", "vnic:vm one:5")]


WFP = "{c22d1b14-c242-49de-9f17-1d76b8b9c458}"


def test_packets_of_the_filtering_platform_get_an_ip_header(tool, tmp_path):
    trace = Trace()
    segment = struct.pack(">HHIIBBHHH", 40000, 443, 7, 0, 0x50, 2, 1024, 0, 0)
    for number, (size, flow) in enumerate(((4, b""), (4, bytes(8)), (16, b""), (16, bytes(8)))):
        addresses = bytes([10] * size) + bytes([11] * size)
        trace.event(WFP, id=60011 + number // 2 * 10 + number % 2, data=addresses + b"\6" + flow + struct.pack("<H", len(segment)) + segment)
    trace.event(WFP, id=60011, data=bytes(9) + struct.pack("<H", 100) + segment)  # shorter than it says
    trace.write(tmp_path / "a.etl")
    lines = frames(tool, trace, tmp_path, fields=("frame.protocols", "ip.src", "ip.checksum", "ipv6.dst", "tcp.dstport"))
    assert lines == [("raw:ip:tcp", "10.10.10.10", "0x50a7", "", "443")] * 2 + [
        ("raw:ipv6:tcp", "", "", "b0b:b0b:b0b:b0b:b0b:b0b:b0b:b0b", "443")] * 2


def test_a_trace_without_packets_says_so(tool, tmp_path):
    trace = Trace()
    rundown(trace)
    trace.write(tmp_path / "a.etl")
    done = tool("etw-replay", "export", tmp_path / "a.etl", "--packets", "-o", tmp_path / "a.pcapng")
    assert b"no packets, but counters" in done.stderr and b"21 packets dropped" in done.stderr


@pytest.mark.parametrize("cut", [0, 10, 33, 34, 50])
def test_events_that_are_too_short_are_left_out_and_counted(tool, tmp_path, cut):
    trace = Trace()
    data = struct.pack("<QHHHHHHHIIHH", 1, 1, 1, 1, 1, 7, 1, 0, 0, 0, 60, 60) + bytes(60)
    trace.event(PKTMON, id=160, data=data[:cut])
    trace.event(PKTMON, id=20, data=data[:cut])
    trace.event(NDIS, id=1001, data=struct.pack("<III", 1, 1, 2**32 - 1), keyword=START | END)
    trace.event(NDIS, id=1003, data=struct.pack("<III", 1, 1, 1) + 6 * b"\0" + struct.pack("<I", 2**32 - 1), keyword=START | END)
    trace.write(tmp_path / "a.etl")
    done = tool("etw-replay", "export", tmp_path / "a.etl", "--packets", "-o", tmp_path / "a.pcapng")
    assert b"3 events of packets left out: shorter than stated" in done.stderr


def test_a_real_trace_of_pktmon_has_a_third_as_many_packets(native_tool, corpus, tmp_path):
    tshark = need_program("tshark")
    counts = []
    for options in ([], ["--all-components"], ["--threads", "3"]):
        native_tool("etw-replay", "export", corpus("demikernel__PktMon.etl"), "-q", "-f", "--packets", *options, "-o", tmp_path / "a.pcapng")
        done = subprocess.run([tshark, "-r", tmp_path / "a.pcapng", "-T", "fields", "-e", "_ws.malformed", "-e", "frame.protocols"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, text=True)
        lines = done.stdout.splitlines()
        assert all(line.startswith("\teth:") for line in lines)
        counts.append(len(lines))
    assert counts == [38, 114, 38]
