"""IEC 62056-21 (ГОСТ Р МЭК 61107): the ASCII protocol of optical heads and many RS-485 meters.

``frames`` check characters, parity and messages; ``block`` data sets; ``splitter`` finds the end of an answer;
``session`` the dialogue; ``push`` telegrams that come unasked; ``explain`` bytes as text.
"""
