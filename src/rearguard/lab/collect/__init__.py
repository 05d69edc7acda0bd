"""Recordings with the truth of a tape: walked or run at something, written as a labelled recording."""
