"""Text as meters send it: no protocol says in which encoding a name is, and Russian makers use Windows-1251."""


def meter_text(octets: bytes) -> str:
    """ASCII, else sound UTF-8, else Windows-1251 (its one unused octet, 98h, becomes U+FFFD)."""
    if octets.isascii():
        return octets.decode("ascii")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1251", "replace")


def words_alone(text: str) -> bool:
    """Whether a text of more than ASCII is one: letters, digits and usual signs, and not octets that happen to be."""
    return len(text) > 3 and all(sign.isalnum() or sign in " -_./()№" for sign in text)
