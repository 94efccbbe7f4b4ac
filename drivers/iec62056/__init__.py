"""IEC 62056-21: sessions with a password, and data readouts; a model is a TOML table of parameters."""
