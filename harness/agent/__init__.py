"""The agent: what runs on the board. An island: Python 3.6, standard library; runtimes are imported late, by adapters.

The same files run as ``harness.agent`` on the host and, packed into one archive, as ``agent`` on a board, so imports
inside are relative. It measures and reports; it never decides what a number means.
"""

# 3: stewards, numbered requests, power windows. Raised whenever a request or a reply changes; both sides refuse
# another number.
PROTOCOL = 3
