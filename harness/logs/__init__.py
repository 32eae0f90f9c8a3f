"""Files that other tools wrote while a board worked, as channels, and as traces on a trial's clock. Runs nothing."""
