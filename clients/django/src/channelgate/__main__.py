"""`python -m channelgate …`: becomes the node's program, so that signals and the exit status are its own."""

import os
import sys

from channelgate.binary import BinaryMissing, find


def main() -> None:
    """Becomes the program."""
    try:
        program = str(find())
    except BinaryMissing as missing:
        sys.exit(f"channelgate: {missing}")
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
