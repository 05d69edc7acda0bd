"""Scoring labelled recordings: due warnings, false ones an hour, and times to collision against the truth."""
