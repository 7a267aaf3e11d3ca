"""The two files that are looped, made once by ffmpeg and kept.

Constant bit rates, so that every second of every publisher costs the same.
"""

import subprocess
from pathlib import Path

from .process import Failed

SECONDS = 20
# What changes the files changes this, so that old ones are not taken for them.
VERSION = 1

SHAPES = {
    # 720p30, 2.5 Mbit/s with the audio.
    "hi": {"size": "1280x720", "fps": 30, "video": 2372, "audio": 128, "sample_rate": 48000},
    # 180p15, 200 kbit/s with the audio.
    "lo": {"size": "320x180", "fps": 15, "video": 130, "audio": 64, "sample_rate": 44100},
}


def make(kind, folder):
    shape = SHAPES[kind]
    path = Path(folder) / f"{kind}-{VERSION}.flv"
    if path.exists():
        return path
    unfinished = path.with_suffix(".part")
    rate, gop = f"{shape['video']}k", str(2 * shape["fps"])
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size={shape['size']}:rate={shape['fps']}"]
    command += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={shape['sample_rate']}"]
    command += ["-t", str(SECONDS), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast"]
    command += ["-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate]
    command += ["-x264-params", "nal-hrd=cbr:force-cfr=1", "-bf", "0"]
    command += ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0"]
    command += ["-c:a", "aac", "-b:a", f"{shape['audio']}k", "-f", "flv", str(unfinished)]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"ffmpeg did not make {path.name}: {error}") from error
    unfinished.rename(path)
    return path
