"""meterpost: from the meters on the wire to the utility's intake."""

VERSION = "0.1.0"
