"""What is felt: the table of cues, which one is due, and the motors that play it."""
