"""A statement as it is read out on the telephone: digit by digit, in Russian words."""

from collections.abc import Mapping

DIGITS = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
NAMES = {"T1": "Тэ-один", "T2": "Тэ-два", "T3": "Тэ-три", "T4": "Тэ-четыре"}
MEANINGS = {"day": "день", "night": "ночь", "peak": "пик", "half-peak": "полупик"}
SIGNS = {"-": "чёрточка", "/": "дробь", ".": "точка"}


def digit_by_digit(text: str) -> str:
    """``"20-1"`` → ``"два, ноль, чёрточка, один"``; letters as they are, blanks are left out."""
    return ", ".join(
        DIGITS[int(sign)] if sign in "0123456789" else SIGNS.get(sign, sign) for sign in text if not sign.isspace()
    )


def spoken(account: str, figures: Mapping[str, str], meanings: Mapping[str, str]) -> str:
    """One line for the account, one for each figure."""
    lines = [f"Лицевой счёт: {digit_by_digit(account)}."]
    for name, figure in figures.items():
        meaning = MEANINGS.get(meanings.get(name, ""), meanings.get(name, ""))
        heading = "Показание" if len(figures) == 1 else f"{NAMES[name]}, {meaning}" if meaning else NAMES[name]
        lines.append(f"{heading}: {digit_by_digit(figure)}.")
    return "\n".join(lines)
