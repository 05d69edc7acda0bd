"""Reading the journal: lists, stories, plots and pictures in a terminal."""
