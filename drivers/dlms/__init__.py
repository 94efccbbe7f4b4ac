"""DLMS/COSEM with logical names, and the Russian profile СПОДЭС; a model is a TOML list of registers."""
