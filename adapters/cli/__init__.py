"""The command line, `seatledger`."""
