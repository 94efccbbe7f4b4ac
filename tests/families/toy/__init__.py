"""A family as a stranger's package would bring it: protocol, words for decode, driver and simulator, and nothing else.

A question is ``7?energy``, its answer ``7!energy=1234``, each with ``*``, the XOR of what stands before it in hex, and
CR LF. It names neither agent/ nor the registry; what makes it known is ``ENTRY_POINTS``.
"""

ENTRY_POINTS = """\
[meterpost.families]
toy = tests.families.toy.driver
toy-two = tests.families.toy.driver

[meterpost.simulators]
toy = tests.families.toy.simulator:MODEL
"""
