"""What the mirror says of itself."""

import re


def counted(proxy, name=None):
    """A number of the mirror's last line in the log, or of one of its lists: `dropped.behind`."""
    line = re.findall(r"mirror stopped.*|.* mirror (?:stopped|so far) .*", proxy.log)[-1]
    name, _, part = name.partition(".")
    found = re.search(rf'\b{name}=("[^"]*"|\S+(?: \d+(?:, \w+(?:-\w+)* \d+)*)?)', line)
    assert found, line
    value = found.group(1).strip('"')
    if not part:
        return int(value)
    found = re.search(rf"\b{part} (\d+)", value)
    return int(found.group(1)) if found else 0
