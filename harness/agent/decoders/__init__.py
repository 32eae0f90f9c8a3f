"""What sensors print, as values: pure functions on text, alike on a board and on the host. Python 3.6, no I/O.

Each decoder turns one line (or one answer) into `Reading`s in SI units. It never raises on text, whatever it is: what
it does not know comes back as unknown tokens.
"""

from collections import namedtuple

# name: as the channel is called, e.g. "VDD_IN_power"; two of one name on a line are told apart by #2, #3.
# value: NaN where the source prints a placeholder (a sensor that sleeps, a load that needs privilege).
Reading = namedtuple("Reading", "name unit kind value")
# readings: in the order of the text; unknown: tokens that no rule takes, as they stood there.
Decoded = namedtuple("Decoded", "readings unknown")
