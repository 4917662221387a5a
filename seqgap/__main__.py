"""`python -m seqgap` is the command `seqgap`."""

from seqgap.bench.cli import main

if __name__ == "__main__":
    main()
