"""A utility's intake: the other end of the MQTT contract (``docs/utility.md`` says how to write one's own)."""
