"""A utility's form of words, filled in: ``ACCOUNT#METER#T1#T2`` → ``230100456789#23456789#2000#1000``."""

import re
from collections.abc import Mapping

from agent.config.utility.profile import WORDS

NOTHING = "-"  # what is not known
SEPARATORS = r"[ \t]?[#;,/*+|]?[ \t]?"
PLACE = re.compile(rf"(?P<gap>{SEPARATORS})(?<!\w)(?P<word>{'|'.join(WORDS)})(?!\w)")
TARIFFS = ("T1", "T2", "T3", "T4")


def filled(template: str, facts: Mapping[str, str]) -> str:
    """Each word of WORDS replaced by its fact. A tariff that the point does not have is left out together with the
    separator before it; another fact that is not known is "-"."""

    def place(found: re.Match[str]) -> str:
        word, gap = found["word"], found["gap"]
        if word in facts:
            return f"{gap}{facts[word]}"
        return "" if word in TARIFFS else f"{gap}{NOTHING}"

    return PLACE.sub(place, template).strip("\n")
