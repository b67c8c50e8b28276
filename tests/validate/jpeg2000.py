"""JPEG 2000 as OpenJPEG's own tool codes it: orders, block styles, precincts, tiles, origins, signs, changes of progression, regions of
interest; and packet headers set apart (PPM, PPT), which it cannot write, made of what it wrote. Used by codestreams.py."""
import itertools
import struct
import subprocess

import imagecodecs
import numpy as np

ORDERS = ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"]
MODES = [1, 2, 4, 8, 16, 32, 5, 9, 21, 63]


def options(lossless):
    """Arguments, shortest first."""
    rates = "20,5,1" if lossless else "30,10,4"
    yield ["-b", "64,64"]
    for mode in MODES:
        yield ["-M", str(mode)]
        yield ["-M", str(mode), "-r", rates, "-b", "16,8"]
    for order in ORDERS:
        yield ["-p", order, "-r", rates]
        yield ["-p", order, "-r", rates, "-c", "[64,32],[16,16],[8,8]", "-d", "3,5"]
        yield ["-p", order, "-r", rates, "-c", "[32,32]", "-t", "61,43", "-d", "13,7", "-T", "5,2"]
        yield ["-p", order, "-t", "50,50", "-TP", "R", "-SOP", "-EPH", "-PLT", "-TLM"]
    yield ["-c", "[64,64],[32,32]"]
    yield ["-b", "4,64"]
    yield ["-b", "64,4"]
    yield ["-b", "1024,4"]
    yield ["-n", "1"]
    yield ["-n", "3"]
    yield ["-n", "9"]
    yield ["-SOP", "-EPH"]
    yield ["-t", "1,9", "-n", "2"] if lossless else ["-t", "9,7"]
    yield ["-d", "1,1"]
    yield ["-d", "255,129", "-T", "255,1", "-t", "64,140"]
    yield ["-ROI", "c=0,U=3"]
    yield ["-GuardBits", "4"]
    yield ["-POC", "T1=0,0,3,3,3,RLCP/T1=3,0,3,6,3,CPRL", "-r", rates]
    yield ["-POC", "T1=0,0,3,1,3,LRCP/T1=1,0,3,3,3,RPCL/T1=3,0,3,6,3,PCRL", "-r", rates]


def apart(stream, main):
    """The stream with packet headers in a PPM segment of the main header, or in a PPT segment of each tile-part; made with SOP and EPH, which
    tell where they are."""
    at = stream.index(b"\xff\x90")
    head, parts, packed = stream[:at], [], b""
    while stream[at : at + 2] == b"\xff\x90":
        length = struct.unpack(">I", stream[at + 6 : at + 10])[0] or len(stream) - 2 - at
        data = stream.index(b"\xff\x93", at) + 2
        headers, bodies = b"", b""
        for packet in stream[data : at + length].split(b"\xff\x91\x00\x04")[1:]:
            end = packet.index(b"\xff\x92") + 2
            headers, bodies = headers + packet[2:end], bodies + b"\xff\x91\x00\x04" + packet[:2] + packet[end:]
        packed += struct.pack(">I", len(headers)) + headers
        between = b"" if main else b"\xff\x61" + struct.pack(">HB", len(headers) + 3, 0) + headers
        part = stream[at + 12 : data - 2] + between + b"\xff\x93" + bodies
        parts.append(stream[at : at + 6] + struct.pack(">I", len(part) + 12) + stream[at + 10 : at + 12] + part)
        at += length
    if main:
        head += b"\xff\x60" + struct.pack(">HB", len(packed) + 3, 0) + packed
    return head + b"".join(parts) + b"\xff\xd9"


def encode(folder, pixels, bits, arguments):
    """The codestream that opj_compress makes and what OpenJPEG makes of it; None where either refuses."""
    source, coded = folder / ("opj.raw" if bits <= 8 else "opj.rawl"), folder / "opj.j2k"
    rows, columns, samples = pixels.shape
    source.write_bytes(np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes())
    coded.unlink(missing_ok=True)  # some file systems wait for the disk where a file is overwritten
    size = f"{columns},{rows},{samples},{bits},{'s' if pixels.dtype.kind == 'i' else 'u'}"
    command = ["opj_compress", "-i", source, "-o", coded, "-F", size, *arguments]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0 or not coded.exists():
        return None
    try:
        back = imagecodecs.jpeg2k_decode(coded.read_bytes(), numthreads=1)
    except imagecodecs.Jpeg2kError:
        return None
    return coded.read_bytes(), back.reshape(pixels.shape).astype(pixels.dtype)


def variants(folder, picture, add):
    """Adds a case for each variant."""
    made = 0
    kinds = [("u", 8, 1), ("s", 8, 1), ("u", 12, 1), ("s", 12, 1), ("u", 16, 1), ("s", 16, 1), ("u", 8, 3), ("u", 16, 3)]
    for sign, bits, samples in kinds:
        pixels = picture(64, 200, samples, bits)
        if sign == "s":
            pixels = (pixels.astype(np.int32) - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)
        for lossless, arguments in [(l, a) for l in (True, False) for a in options(l)]:
            coded = encode(folder, pixels, bits, arguments + ([] if lossless else ["-I"]))
            if coded is None:
                continue
            made += 1
            stream, back = coded
            wanted = pixels if lossless else back
            name = f"opj-{bits}{sign}{samples}{'' if lossless else '-I'}{''.join(arguments)}"
            for old, new in [("[", ""), ("]", ""), (",", "_"), ("=", ""), ("/", "+")]:
                name = name.replace(old, new)
            # Its factor of high coefficients is 3e-5 too small, which 16 bits show.
            add(name, stream, wanted, bits, 90 if lossless else 91, 0 if lossless else 3 if bits == 16 else 1)
            if lossless and "-EPH" in arguments:
                for main in (False, True):
                    add(f"{name}-{'PPM' if main else 'PPT'}", apart(stream, main), pixels, bits, 90, 0)
    for rows, columns, samples in itertools.product([1, 2, 3, 5, 33], [1, 2, 3, 5, 33], [1, 3]):
        for bits, more in itertools.product([8, 12], [[], ["-d", "1,1"], ["-d", "2,3", "-n", "3"], ["-I", "-d", "1,0"]]):
            pixels = picture(rows, columns, samples, bits)
            coded = encode(folder, pixels, bits, more)
            if coded is None:
                continue
            made += 1
            stream, back = coded
            name = f"opj-{rows}x{columns}x{samples}-{bits}{''.join(more).replace(',', '_')}"
            add(name, stream, back if "-I" in more else pixels, bits, 91, int("-I" in more))
    assert made > 800, f"opj_compress made {made} codestreams"
