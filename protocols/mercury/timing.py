"""How long a Mercury 23x keeps silent (Incotex command system 05.2023, §1.2 and its table of times).

Each figure is multiplied by the meter's own time-out multiplier n (parameter 1Dh, 1 to 255; 1 as delivered).
"""

_TIMES = {  # bit/s: (system time-out, longest wait for the answer's first byte), both in ms for n = 1
    115200: (2, 150),
    57600: (2, 150),
    38400: (2, 150),
    19200: (3, 150),
    9600: (5, 150),
    4800: (10, 180),
    2400: (20, 250),
    1200: (40, 400),
    600: (80, 800),
    300: (160, 1600),
}

MARGIN = 0.35
"""Seconds added to the maker's longest answer time: USB adapters deliver up to 16 ms late and data fixation takes
150 ms by itself; it makes the half second at 9600 bit/s that public readers of these meters have settled on."""


def _row(speed: int) -> tuple[int, int]:
    if speed not in _TIMES:
        raise ValueError(f"speed {speed}: a Mercury 23x knows {', '.join(map(str, sorted(_TIMES)))} bit/s")
    return _TIMES[speed]


def system_timeout(speed: int, multiplier: int = 1) -> float:
    """Seconds of silence that end a frame, and that two frames must keep between them. ValueError: no such speed."""
    return _row(speed)[0] * multiplier / 1000


def answer_time(speed: int, multiplier: int = 1) -> float:
    """The longest time in seconds from a request to the first byte of its answer, as the maker states it."""
    return _row(speed)[1] * multiplier / 1000
