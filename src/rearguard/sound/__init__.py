"""What is heard: the table of tones, the samples made of it, spoken words, and the process that plays them."""
